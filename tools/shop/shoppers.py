"""Ordinary shoppers: sessions, what they look at, and what they put into carts and buy."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop import visits
from tools.shop.chance import pick
from tools.shop.funnel import steps
from tools.shop.rows import ROW, Ints, Rows, type_code
from tools.shop.world import DAY_MS, World


@dataclass(frozen=True)
class Window:
    """A stretch of time that wants `events` events; sessions begin inside it and may end after it."""

    start: int
    length: int
    events: int

    @property
    def is_day(self) -> bool:
        return self.length == DAY_MS


def shoppers(world: World, window: Window, rng: Generator) -> Rows:
    """Exactly `window.events` events of ordinary shoppers, without ids, in no promised order."""
    if not window.events:
        return np.zeros(0, ROW)
    sessions = int(window.events / c.VIEWS_MEAN * 1.12) + 60
    begin, sale = visits.begins(world, window.start, window.length, sessions, rng)
    base = visits.who_and_where(world, begin, rng)
    views, session = _views(world, base, sale, rng)
    rows = np.concatenate([views, steps(world, base, views, session, rng)])
    return _first(rows, window.events)


def _views(world: World, base: Rows, sale: Ints, rng: Generator) -> tuple[Rows, Ints]:
    sessions = len(base)
    length = np.clip(np.rint(np.exp(rng.normal(np.log(c.VIEWS_MEDIAN), c.VIEWS_SIGMA, sessions))), 1, c.VIEWS_MOST).astype(np.int64)
    session = np.repeat(np.arange(sessions), length)
    first = np.repeat(np.cumsum(length) - length, length)
    rows = base[session]
    rows["type"] = type_code("view_item")
    rows["time"] += _since_begin(len(rows), first, rng)
    rows["product"] = _products(world, session, first, sale, rng)
    price(world, rows, sale[session])
    rows["referrer"][np.arange(len(rows)) != first] = -1
    return rows, session


def _since_begin(count: int, first: Ints, rng: Generator) -> Ints:
    """Milliseconds since the session's first view."""
    gaps = np.minimum(np.exp(rng.normal(np.log(c.GAP_MEDIAN_SECONDS), c.GAP_SIGMA, count)), c.GAP_LONGEST_SECONDS)
    total = np.cumsum(gaps)
    return np.asarray((total - total[first]) * 1000).astype(np.int64)


def _products(world: World, session: Ints, first: Ints, sale: Ints, rng: Generator) -> Ints:
    """Products of views: mostly from the session's taste cluster, sometimes the one just seen."""
    count = len(session)
    cluster = world.cluster_of[pick(world.popularity, rng.random(len(sale)))]
    cluster = np.where((sale >= 0) & (rng.random(len(sale)) < c.SALE_VISITORS_AT_SALE), sale, cluster)
    low, high = (bound[cluster[session]] for bound in world.cluster_bounds)
    taste = np.searchsorted(world.popularity, low + rng.random(count) * (high - low), side="right")
    anything = pick(world.popularity, rng.random(count))
    product = np.where(rng.random(count) < c.OUTSIDE_TASTE, anything, np.minimum(taste, world.products - 1))
    index = np.arange(count)
    repeat = (rng.random(count) < c.IMMEDIATE_REPEAT) & (index != first)
    return np.asarray(product[np.maximum.accumulate(np.where(repeat, 0, index))])


def price(world: World, rows: Rows, sale: Ints) -> None:
    """Set price and quantity; products on sale are cheaper than their list price."""
    product = rows["product"].astype(np.int64)
    cents = world.list_cents(product, rows["time"])
    discounted = np.maximum(1, np.rint(cents * (1 - c.SALE_DISCOUNT))).astype(np.int64)
    rows["cents"] = np.where(world.cluster_of[product] == sale, discounted, cents)
    rows["quantity"] = 1


def _first(rows: Rows, count: int) -> Rows:
    """Whole visits up to `count` rows; only the last one is cut short. A refund belongs to the visit it came from."""
    visit = rows["session"] & ~visits.REFUND_BIT
    _, first_seen, inverse = np.unique(visit, return_index=True, return_inverse=True)
    return rows[np.lexsort((rows["time"], first_seen[inverse]))[:count]]
