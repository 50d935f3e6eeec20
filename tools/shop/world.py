"""Products and people of a simulated shop as functions of the seed and the time; nothing is stored.

The labels of random streams ("product.price" etc.) are part of the seed: changing one changes the shop.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tools.shop import calibration as c
from tools.shop.chance import choice, draws, hashed, pick
from tools.shop.rows import Floats, Ints

DAY_MS = 86_400_000
# Share of the versions of a person's country in which the person lives elsewhere.
MOVED = 0.15


@dataclass(frozen=True)
class Versions:
    """Versions of a value that changes over time: entity i gets a new version every `period[i]` ms, shifted by `phase[i]` ms."""

    period: Ints
    phase: Ints

    def number(self, entity: Ints, time: Ints) -> Ints:
        """Returns the number of the version that is valid at `time` (ms since 1970)."""
        return (time + self.phase[entity]) // self.period[entity]

    def start(self, entity: Ints, number: Ints) -> Ints:
        """Returns the time from which a version is valid (ms since 1970)."""
        return number * self.period[entity] - self.phase[entity]


def _versions(seed: int, label: str, count: int, days: tuple[float, float]) -> Versions:
    """Returns versions of `count` entities with periods between two numbers of days, in whole seconds."""
    period = ((days[0] + (days[1] - days[0]) * draws(seed, f"{label}.period", count)) * DAY_MS).astype(np.int64) // 1000 * 1000
    phase = (draws(seed, f"{label}.phase", count) * period).astype(np.int64) // 1000 * 1000
    return Versions(period, phase)


@dataclass(frozen=True)
class World:
    """The shop's products and people."""

    seed: int
    people: int = 50_000
    products: int = 10_000

    @cached_property
    def clusters(self) -> int:
        """Number of taste clusters: products that the same people like."""
        return max(1, self.products // c.CLUSTER_SIZE)

    @cached_property
    def cluster_of(self) -> Ints:
        """The cluster of each product. Products are numbered by cluster, so a cluster is a range of the cumulative popularity."""
        return np.sort((draws(self.seed, "product.cluster", self.products) * self.clusters).astype(np.int64))

    @cached_property
    def popularity(self) -> Floats:
        """Cumulative popularity weights of the products."""
        rank = np.argsort(draws(self.seed, "product.rank", self.products)) + 1
        return np.cumsum((rank + c.POPULARITY_OFFSET_SHARE * self.products) ** -c.POPULARITY_SLOPE)

    @cached_property
    def cluster_bounds(self) -> tuple[Floats, Floats]:
        """The cumulative popularity at which each cluster begins and ends."""
        edges = np.searchsorted(self.cluster_of, np.arange(self.clusters + 1))
        padded = np.concatenate([[0.0], self.popularity])
        return padded[edges[:-1]], padded[edges[1:]]

    @cached_property
    def base_price(self) -> Floats:
        """The price of each product before it varies over time."""
        return np.exp(np.interp(draws(self.seed, "product.price", self.products), c.PRICE_QUANTILES, np.log(c.PRICES)))

    @cached_property
    def price_versions(self) -> Versions:
        return _versions(self.seed, "product.price", self.products, (20, 90))

    def list_cents(self, product: Ints, time: Ints) -> Ints:
        """Returns the list prices of products at `time` (ms since 1970), in cents."""
        number = self.price_versions.number(product, time)
        factor = 0.85 + 0.30 * hashed(self.seed, product, number)
        return np.maximum(1, np.rint(self.base_price[product] * factor * 100)).astype(np.int64)

    @cached_property
    def segment_versions(self) -> Versions:
        return _versions(self.seed, "user.segment", self.people, (30, 200))

    @cached_property
    def country_versions(self) -> Versions:
        return _versions(self.seed, "user.country", self.people, (400, 4000))

    def segment(self, person: Ints, time: Ints) -> Ints:
        """Returns the customer segments of people (index of calibration.SEGMENTS) at `time`."""
        number = self.segment_versions.number(person, time)
        return choice(c.SEGMENT_SHARES, hashed(self.seed + 1, person, number))

    def account_place(self, person: Ints, time: Ints) -> Ints:
        """Returns the place (index of calibration.PLACES) of a person's account at `time`; 15 % of the versions are a move."""
        draw = hashed(self.seed + 2, person, self.country_versions.number(person, time))
        new_place = choice([place[5] for place in c.PLACES], draw / MOVED % 1.0)
        return np.where(draw < MOVED, new_place, self.home_place[person])

    @cached_property
    def activity(self) -> Floats:
        """Cumulative weights of the people's activity."""
        return np.cumsum(np.exp(c.ACTIVITY_SIGMA * _normal(draws(self.seed, "user.activity", self.people))))

    @cached_property
    def home_place(self) -> Ints:
        """The home of each person (index of calibration.PLACES); a household shares one."""
        household = np.arange(self.people) // c.HOUSEHOLD_SIZE
        return choice([place[5] for place in c.PLACES], hashed(self.seed + 3, household))

    @cached_property
    def office(self) -> Ints:
        """The office of each person, -1 for none; all people of an office live in the same place."""
        per_place = max(1, int(self.people * c.OFFICE_WORKERS / c.OFFICE_SIZE / len(c.PLACES)))
        number = (draws(self.seed, "user.office", self.people) * per_place).astype(np.int64) * len(c.PLACES) + self.home_place
        return np.where(draws(self.seed, "user.works", self.people) < c.OFFICE_WORKERS, number, -1)

    def visitors(self, uniform: Floats) -> Ints:
        """Returns people drawn by their activity from numbers in [0, 1)."""
        return pick(self.activity, uniform)


def _normal(uniform: Floats) -> Floats:
    """Returns about normally distributed numbers (logistic, variance 1), each computed from its own uniform number."""
    clipped = np.clip(uniform, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped / (1 - clipped)) * (np.sqrt(3) / np.pi))
