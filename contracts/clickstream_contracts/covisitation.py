"""Reads rules/covisitation.yaml: the co-visitation formula's parameters, shared by Spark, Flink and Ray."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from clickstream_contracts import schema

FILE = Path(__file__).parent / "rules" / "covisitation.yaml"


@dataclass(frozen=True)
class CoVisitation:
    """Parameters of the formula in rules/covisitation.yaml.

    `window` and `look_back` count views, `per_item` products; the weights and `decay` have no unit. `repeats` tells whether
    two views of the same product are a pair.
    """

    window: int
    backward_weight: float
    self_weight: float
    repeats: bool
    per_item: int
    normalise: bool
    look_back: int
    decay: float


@cache
def item_neighbours() -> CoVisitation:
    """The parameters of the table features.item_neighbours and of the Flink job that reads it."""
    return _load()["item_neighbours"]


@cache
def retriever() -> CoVisitation:
    """The parameters of the co-visitation retriever of the recommender."""
    return _load()["retriever"]


def _load() -> dict[str, CoVisitation]:
    return {name: CoVisitation(**values) for name, values in yaml.load(FILE.read_text(), schema.LOADER).items()}
