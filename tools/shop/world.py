"""The shop's world for one seed: products in taste clusters, people with devices, homes, offices; all of it stateless in time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tools.shop import calibration as c
from tools.shop.chance import choice, draws, hashed, pick
from tools.shop.rows import Floats, Ints

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Versions:
    """A value that changes: entity i starts a new version every `period[i]` ms, shifted by `phase[i]`."""

    period: Ints
    phase: Ints

    def number(self, entity: Ints, time: Ints) -> Ints:
        """Number of the version that is valid at `time`."""
        return (time + self.phase[entity]) // self.period[entity]

    def start(self, entity: Ints, number: Ints) -> Ints:
        """When that version began."""
        return number * self.period[entity] - self.phase[entity]


def _versions(seed: int, label: str, count: int, days: tuple[float, float]) -> Versions:
    period = ((days[0] + (days[1] - days[0]) * draws(seed, f"{label}.period", count)) * DAY_MS).astype(np.int64) // 1000 * 1000
    phase = (draws(seed, f"{label}.phase", count) * period).astype(np.int64) // 1000 * 1000
    return Versions(period, phase)


@dataclass(frozen=True)
class World:
    """Everything about the shop that does not depend on the day."""

    seed: int
    people: int = 50_000
    products: int = 10_000

    @cached_property
    def clusters(self) -> int:
        return max(1, self.products // c.CLUSTER_SIZE)

    @cached_property
    def cluster_of(self) -> Ints:
        """Products are numbered cluster by cluster, so a cluster is a range of the running popularity."""
        return np.sort((draws(self.seed, "product.cluster", self.products) * self.clusters).astype(np.int64))

    @cached_property
    def popularity(self) -> Floats:
        """Running sums of the products' weights."""
        rank = np.argsort(draws(self.seed, "product.rank", self.products)) + 1
        return np.cumsum((rank + c.POPULARITY_OFFSET_SHARE * self.products) ** -c.POPULARITY_SLOPE)

    @cached_property
    def cluster_bounds(self) -> tuple[Floats, Floats]:
        """Where each cluster begins and ends in the running popularity."""
        edges = np.searchsorted(self.cluster_of, np.arange(self.clusters + 1))
        padded = np.concatenate([[0.0], self.popularity])
        return padded[edges[:-1]], padded[edges[1:]]

    @cached_property
    def base_price(self) -> Floats:
        return np.exp(np.interp(draws(self.seed, "product.price", self.products), c.PRICE_QUANTILES, np.log(c.PRICES)))

    @cached_property
    def price_versions(self) -> Versions:
        return _versions(self.seed, "product.price", self.products, (20, 90))

    def list_cents(self, product: Ints, time: Ints) -> Ints:
        """The list price at `time`, in cents."""
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
        number = self.segment_versions.number(person, time)
        return choice(c.SEGMENT_SHARES, hashed(self.seed + 1, person, number))

    def account_place(self, person: Ints, time: Ints) -> Ints:
        """The place of a person's account; now and then somebody moves."""
        luck = hashed(self.seed + 2, person, self.country_versions.number(person, time))
        moved = choice([p[5] for p in c.PLACES], luck / 0.15 % 1.0)
        return np.where(luck < 0.15, moved, self.home_place[person])

    @cached_property
    def activity(self) -> Floats:
        """Running sums of how active each person is."""
        return np.cumsum(np.exp(c.ACTIVITY_SIGMA * _normal(draws(self.seed, "user.activity", self.people))))

    @cached_property
    def home_place(self) -> Ints:
        household = np.arange(self.people) // c.HOUSEHOLD_SIZE
        return choice([p[5] for p in c.PLACES], hashed(self.seed + 3, household))

    @cached_property
    def office(self) -> Ints:
        """The office each person works in, -1 for none; offices belong to a place."""
        per_place = max(1, int(self.people * c.OFFICE_WORKERS / c.OFFICE_SIZE / len(c.PLACES)))
        number = (draws(self.seed, "user.office", self.people) * per_place).astype(np.int64) * len(c.PLACES) + self.home_place
        return np.where(draws(self.seed, "user.works", self.people) < c.OFFICE_WORKERS, number, -1)

    def visitors(self, at: Floats) -> Ints:
        """People drawn by how active they are."""
        return pick(self.activity, at)


def _normal(at: Floats) -> Floats:
    """Roughly normal numbers from uniform ones (logistic, scaled to variance 1): stays stable when the shop grows."""
    inside = np.clip(at, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)) * (np.sqrt(3) / np.pi))
