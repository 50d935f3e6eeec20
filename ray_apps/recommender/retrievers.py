"""The registry of retrievers, and the retrieval configuration of a model.

A new retriever needs one line in RETRIEVERS: new models then use it. A model that is read from an artefact gets the
configuration of its manifest, never the defaults of this file.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple, Self

from clickstream_contracts import covisitation as rules
from ray_apps.recommender.covisitation import SUCCESSOR, CoVisitationRetriever
from ray_apps.recommender.popularity import PopularityParameters, PopularityRetriever
from ray_apps.recommender.retriever import Retriever
from ray_apps.recommender.session_knn import VSKNN, VSTAN, SessionKnnRetriever
from ray_apps.recommender.sessions import LONGEST_QUERY, LONGEST_SESSION


class RetrieverError(ValueError):
    """A retrieval configuration names a retriever or a parameter that this code does not have."""


class Registered(NamedTuple):
    """A retriever, the parameters it gets in new models, and what the ranker takes from it.

    `candidates`: its candidates are ranked. `links`: its item-to-item links are features (co-visitation only).
    """

    retriever: type[Retriever]
    parameters: Any
    candidates: bool = True
    links: bool = False


POPULARITY, COVISITATION = "popularity", "covisitation"

RETRIEVERS: dict[str, Registered] = {
    POPULARITY: Registered(PopularityRetriever, PopularityParameters(), candidates=False),
    COVISITATION: Registered(CoVisitationRetriever, rules.retriever(), links=True),
    "successor": Registered(CoVisitationRetriever, SUCCESSOR, candidates=False, links=True),
    "vsknn": Registered(SessionKnnRetriever, VSKNN),
    "vstan": Registered(SessionKnnRetriever, VSTAN),
}


def registered(name: str) -> Registered:
    """The registry's entry. Raises RetrieverError if there is none."""
    if name not in RETRIEVERS:
        raise RetrieverError(f"unknown retriever {name!r}: this code has {', '.join(RETRIEVERS)}")
    return RETRIEVERS[name]


def parameters_from(name: str, values: Mapping[str, Any]) -> Any:
    """The parameters of a retriever from plain values. Raises RetrieverError unless there is a value for each of them."""
    parameters = type(registered(name).parameters)
    wanted = {parameter.name for parameter in fields(parameters)}
    if unknown := sorted(set(values) - wanted):
        raise RetrieverError(f"retriever {name!r} has no parameter {', '.join(unknown)}")
    if missing := sorted(wanted - set(values)):
        raise RetrieverError(f"retriever {name!r} lacks the parameter {', '.join(missing)}")
    return parameters(**values)


def _default_parameters() -> dict[str, dict[str, Any]]:
    return {name: asdict(entry.parameters) for name, entry in RETRIEVERS.items()}


def _default_candidates_from() -> tuple[str, ...]:
    return tuple(name for name, entry in RETRIEVERS.items() if entry.candidates)


def _default_links_from() -> tuple[str, ...]:
    return tuple(name for name, entry in RETRIEVERS.items() if entry.links)


@dataclass(frozen=True)
class RetrievalConfig:
    """The first stage of a model as data.

    `parameters` holds those of each retriever by its name. The retrievers in `candidates_from` find `candidates` items
    each, and those in `links_from` give link features; both orders are those of the feature columns. `recent_share` is
    the share of the newest sessions whose views count as recent. Queries and sessions are cut to their last views.
    """

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=_default_parameters)
    candidates_from: tuple[str, ...] = field(default_factory=_default_candidates_from)
    links_from: tuple[str, ...] = field(default_factory=_default_links_from)
    candidates: int = 80
    recent_share: float = 0.05
    longest_query: int = LONGEST_QUERY
    longest_session: int = LONGEST_SESSION

    def __post_init__(self) -> None:
        """Raises RetrieverError if this code cannot build these retrievers."""
        for name, values in self.parameters.items():
            parameters_from(name, values)
        if lacking := sorted({POPULARITY, *self.candidates_from, *self.links_from} - set(self.parameters)):
            raise RetrieverError(f"no parameters for the retriever {', '.join(lacking)}")
        for name in self.links_from:
            if not issubclass(registered(name).retriever, CoVisitationRetriever):
                raise RetrieverError(f"retriever {name!r} has no links between items")

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """A configuration from plain values. Raises RetrieverError unless there is a value for each of them."""
        wanted = {setting.name for setting in fields(cls)}
        if set(values) != wanted:
            different = ", ".join(sorted(set(values) ^ wanted))
            raise RetrieverError(f"the retrieval configuration differs from this code's in {different}")
        tuples = {name: tuple(values[name]) for name in ("candidates_from", "links_from")}
        return cls(**{**values, **tuples})
