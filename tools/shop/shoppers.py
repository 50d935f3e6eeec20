"""Ordinary shoppers: sessions, the products they view, and through the funnel what they put into carts and buy."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop import visits
from tools.shop.chance import pick
from tools.shop.funnel import funnel_events
from tools.shop.rows import ROW, Ints, Rows, type_code
from tools.shop.world import DAY_MS, World

# More sessions are made than are needed on average: whatever exceeds `Window.events` is cut off.
SESSION_MARGIN, EXTRA_SESSIONS = 1.12, 60


@dataclass(frozen=True)
class Window:
    """A stretch of time with a number of events. Sessions begin inside it and may end after it.

    start: ms since 1970; length: ms.
    """

    start: int
    length: int
    events: int

    @property
    def is_day(self) -> bool:
        return self.length == DAY_MS


def shoppers(world: World, window: Window, rng: Generator) -> Rows:
    """Returns exactly `window.events` events of ordinary shoppers, without ids and in no particular order."""
    if not window.events:
        return np.zeros(0, ROW)
    sessions = int(window.events / c.VIEWS_MEAN * SESSION_MARGIN) + EXTRA_SESSIONS
    start_times, sale_cluster = visits.session_starts(world, window.start, window.length, sessions, rng)
    base = visits.session_rows(world, start_times, rng)
    views, session = _views(world, base, sale_cluster, rng)
    rows = np.concatenate([views, funnel_events(world, base, views, session, rng)])
    return _first_visits(rows, window.events)


def _views(world: World, base: Rows, sale_cluster: Ints, rng: Generator) -> tuple[Rows, Ints]:
    """Returns the product views of all sessions, and for each view the number of its session."""
    sessions = len(base)
    log_normal = np.exp(rng.normal(np.log(c.VIEWS_MEDIAN), c.VIEWS_SIGMA, sessions))
    length = np.clip(np.rint(log_normal), 1, c.VIEWS_MAX).astype(np.int64)
    session = np.repeat(np.arange(sessions), length)
    first_view = np.repeat(np.cumsum(length) - length, length)
    rows = base[session]
    rows["type"] = type_code("view_item")
    rows["time"] += _ms_since_first_view(len(rows), first_view, rng)
    rows["product"] = _viewed_products(world, session, first_view, sale_cluster, rng)
    set_prices(world, rows, sale_cluster[session])
    rows["referrer"][np.arange(len(rows)) != first_view] = -1
    return rows, session


def _ms_since_first_view(count: int, first_view: Ints, rng: Generator) -> Ints:
    """Returns for each view the milliseconds since the first view of its session, `first_view` being the latter's index."""
    gaps = np.minimum(np.exp(rng.normal(np.log(c.GAP_MEDIAN_SECONDS), c.GAP_SIGMA, count)), c.GAP_MAX_SECONDS)
    total = np.cumsum(gaps)
    return np.asarray((total - total[first_view]) * 1000).astype(np.int64)


def _viewed_products(world: World, session: Ints, first_view: Ints, sale_cluster: Ints, rng: Generator) -> Ints:
    """Returns the products of views: mostly from the session's taste cluster, sometimes the previous one again."""
    count = len(session)
    cluster = world.cluster_of[pick(world.popularity, rng.random(len(sale_cluster)))]
    comes_for_sale = (sale_cluster >= 0) & (rng.random(len(sale_cluster)) < c.SALE_VISITORS_AT_SALE)
    cluster = np.where(comes_for_sale, sale_cluster, cluster)
    low, high = (bound[cluster[session]] for bound in world.cluster_bounds)
    in_cluster = np.searchsorted(world.popularity, low + rng.random(count) * (high - low), side="right")
    anywhere = pick(world.popularity, rng.random(count))
    product = np.where(rng.random(count) < c.OUTSIDE_TASTE, anywhere, np.minimum(in_cluster, world.products - 1))
    index = np.arange(count)
    is_repeat = (rng.random(count) < c.IMMEDIATE_REPEAT) & (index != first_view)
    # A repeated view takes the product of the newest view before it that is no repeat.
    return np.asarray(product[np.maximum.accumulate(np.where(is_repeat, 0, index))])


def set_prices(world: World, rows: Rows, sale_cluster: Ints) -> None:
    """Set price and quantity of rows in place; products of the row's sale cluster (-1: none) cost less than their list price."""
    product = rows["product"].astype(np.int64)
    cents = world.list_cents(product, rows["time"])
    discounted = np.maximum(1, np.rint(cents * (1 - c.SALE_DISCOUNT))).astype(np.int64)
    rows["cents"] = np.where(world.cluster_of[product] == sale_cluster, discounted, cents)
    rows["quantity"] = 1


def _first_visits(rows: Rows, count: int) -> Rows:
    """Returns the first `count` rows in whole visits; only the last visit may be cut. A refund belongs to the visit of its purchase."""
    visit = rows["session"] & ~visits.REFUND_BIT
    _, first_index, inverse = np.unique(visit, return_index=True, return_inverse=True)
    return rows[np.lexsort((rows["time"], first_index[inverse]))[:count]]
