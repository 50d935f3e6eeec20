"""What a candidate and its rivals reach on the same queries, kept per query so that a gate can compare them in pairs."""

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ray_apps.common.progress import Progress
from ray_apps.recommender.metrics import TOP, per_query, ranks
from ray_apps.recommender.sessions import Bools, Floats, Ints, Longs, Queries

Rank = Callable[[Queries, int], Ints]

CANDIDATE, POPULARITY, CHAMPION = "candidate", "popularity", "champion"


class EvaluationError(ValueError):
    """Bytes are no evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """`values["candidate"]["hr20"][q]` is what the candidate reached on query q; `groups` tells queries of one session.

    `model` and `champion` are the sha256 of the two; no champion is "". `slices` choose queries that must do well too.
    """

    model: str
    champion: str
    groups: Longs
    values: dict[str, dict[str, Floats]]
    slices: dict[str, Bools]

    def to_bytes(self) -> bytes:
        """The evaluation as an npz file without objects."""
        arrays: dict[str, Any] = {"model": np.array(self.model), "champion": np.array(self.champion), "groups": self.groups}
        arrays |= {f"values/{rival}/{name}": one for rival, values in self.values.items() for name, one in values.items()}
        arrays |= {f"slices/{name}": one for name, one in self.slices.items()}
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evaluation":
        """Read an evaluation back. Raises EvaluationError."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = dict(file)
            values: dict[str, dict[str, Floats]] = {}
            for _, rival, name in (key.split("/") for key in arrays if key.startswith("values/")):
                values.setdefault(rival, {})[name] = arrays[f"values/{rival}/{name}"]
            slices = {key.removeprefix("slices/"): one for key, one in arrays.items() if key.startswith("slices/")}
            return cls(str(arrays["model"]), str(arrays["champion"]), arrays["groups"], values, slices)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise EvaluationError(f"no evaluation: {error}") from None


def evaluate(model: str, champion: str, rivals: dict[str, Rank], queries: Queries, progress: Progress) -> Evaluation:
    """Ask every rival all queries."""
    values = {}
    for name, rank in rivals.items():
        found = np.concatenate([rank(some, TOP) for some in progress.through(name, queries)])
        values[name] = per_query(ranks(found, queries.labels))
    return Evaluation(model, champion, queries.groups, values, slices(queries))


def slices(queries: Queries) -> dict[str, Bools]:
    """Queries after the first view, after several, and those whose answer had not been seen in the session."""
    lengths = queries.end - queries.begin
    owners = np.repeat(np.arange(len(queries)), lengths)
    views = queries.items[np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths - queries.begin, lengths)]
    again = np.bincount(owners, weights=views == queries.labels[owners], minlength=len(queries)) > 0
    return {"one_view": lengths == 1, "several_views": lengths > 1, "new_item": ~again}
