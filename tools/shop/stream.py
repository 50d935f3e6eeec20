"""The shop's stream of records: windows of traffic one after the other, in order of arrival."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.random import Generator

from tools.shop.chance import stream
from tools.shop.faults import Faults, apply
from tools.shop.rows import Rows, empty
from tools.shop.shoppers import Window, shoppers
from tools.shop.world import DAY_MS, World


@dataclass(frozen=True)
class Source:
    """One kind of traffic. `events` returns a window's events without ids; `name` selects its random stream."""

    name: str
    events: Callable[[World, Window, Generator], Rows]


SOURCES: tuple[Source, ...] = (Source("shoppers", shoppers),)


@dataclass(frozen=True)
class Shop:
    """A shop: its products and people, the faults of its records, and its sources of traffic."""

    world: World
    faults: Faults
    sources: tuple[Source, ...] = SOURCES


def days(until: date, count: int, events: int) -> list[Window]:
    """Returns one window for each of the `count` days up to and including `until`; `events` are spread over them evenly."""
    first = int(datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp() * 1000) - (count - 1) * DAY_MS
    events_per_day = [events * (i + 1) // count - events * i // count for i in range(count)]
    return [Window(first + i * DAY_MS, DAY_MS, n) for i, n in enumerate(events_per_day)]


def traffic(shop: Shop, window: Window) -> Rows:
    """Returns all records of one window. They depend on the seed, the window and the faults, never on other windows."""
    # The number of events is part of the seed: a day of 10 events has other ids than a day of 20.
    window_key = (window.start, window.length, window.events)
    events = [source.events(shop.world, window, stream(shop.world.seed, source.name, *window_key)) for source in shop.sources]
    return apply(np.concatenate(events), shop.faults, stream(shop.world.seed, "faults", *window_key))


def arrivals(shop: Shop, windows: Iterable[Window]) -> Iterator[Rows]:
    """Yields the records in order of arrival, one array for each window and one for the records that arrive after the last."""
    not_arrived = empty()
    for window in windows:
        rows = np.concatenate([not_arrived, traffic(shop, window)])
        has_arrived = rows["arrival"] < window.start + window.length
        yield _by_arrival(rows[has_arrived])
        not_arrived = rows[~has_arrived]
    yield _by_arrival(not_arrived)


def _by_arrival(rows: Rows) -> Rows:
    return rows[np.argsort(rows["arrival"], kind="stable")]
