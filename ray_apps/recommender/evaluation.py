"""Metrics of several methods on the same queries, kept per query so that the gate can compare the methods in pairs."""

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ray_apps.common.progress import Progress
from ray_apps.recommender.metrics import TOP, label_ranks, per_query
from ray_apps.recommender.sessions import Bools, Floats, Ints, Longs, Queries

Rank = Callable[[Queries, int], Ints]

# Names of the methods: the new model, the baselines, and the model that serves now, as it serves.
CANDIDATE, POPULARITY, COVISITATION, CHAMPION = "candidate", "popularity", "covisitation", "champion"


class EvaluationError(ValueError):
    """Bytes cannot be read as an evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """`values["candidate"]["hr20"][q]` is the HR@20 of the candidate on query q; `groups` has the session of each query.

    `model` and `champion` are the sha256 of these two models; `champion` is "" if there is none. `champion_unreadable` is
    the reason why the champion ranked no query, "" if it did: an artefact that this code cannot build. A slice selects
    queries on which the candidate must do well too. `data` holds the sizes of both models' data, by name.
    """

    model: str
    champion: str
    groups: Longs
    values: dict[str, dict[str, Floats]]
    slices: dict[str, Bools]
    champion_unreadable: str = ""
    data: dict[str, float] = field(default_factory=dict)

    def all_slices(self) -> dict[str, Bools]:
        """The slices, and before them "all", which selects every query."""
        return {"all": np.ones(len(self.groups), bool), **self.slices}

    def to_bytes(self) -> bytes:
        """The evaluation as an npz file without objects."""
        arrays: dict[str, Any] = {name: np.array(getattr(self, name)) for name in ("model", "champion", "champion_unreadable")}
        arrays["groups"] = self.groups
        for method, metrics in self.values.items():
            arrays |= {f"values/{method}/{metric}": values for metric, values in metrics.items()}
        arrays |= {f"slices/{name}": selected for name, selected in self.slices.items()}
        arrays |= {f"data/{name}": np.array(value) for name, value in self.data.items()}
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evaluation":
        """Read an evaluation. Raises EvaluationError."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = dict(file)
            values: dict[str, dict[str, Floats]] = {}
            slices: dict[str, Bools] = {}
            data: dict[str, float] = {}
            for key, array in arrays.items():
                if key.startswith("values/"):
                    _, method, metric = key.split("/")
                    values.setdefault(method, {})[metric] = array
                elif key.startswith("slices/"):
                    slices[key.removeprefix("slices/")] = array
                elif key.startswith("data/"):
                    data[key.removeprefix("data/")] = float(array)
            # An evaluation that older code wrote has no `champion_unreadable`.
            unreadable = str(arrays.get("champion_unreadable", ""))
            return cls(str(arrays["model"]), str(arrays["champion"]), arrays["groups"], values, slices, unreadable, data)
        except (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise EvaluationError(f"cannot read the evaluation: {error}") from None


def evaluate(model: str, champion: str, methods: dict[str, Rank], queries: Queries, progress: Progress) -> Evaluation:
    """Rank all queries with every method."""
    values = {}
    for name, rank in methods.items():
        lists = np.concatenate([rank(batch, TOP) for batch in progress.batches(name, queries)])
        values[name] = per_query(label_ranks(lists, queries.labels))
    return Evaluation(model, champion, queries.groups, values, slices_of(queries))


def slices_of(queries: Queries) -> dict[str, Bools]:
    """Queries of one view, queries of several views, and queries whose label was not viewed in the session before."""
    lengths = queries.end - queries.begin
    owners = np.repeat(np.arange(len(queries)), lengths)
    views = queries.items[np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths - queries.begin, lengths)]
    viewed_before = np.bincount(owners, weights=views == queries.labels[owners], minlength=len(queries)) > 0
    return {"one_view": lengths == 1, "several_views": lengths > 1, "new_item": ~viewed_before}
