"""The stream: windows of traffic one after the other, in order of arrival, what is late held over."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.random import Generator

from tools.shop.chance import stream
from tools.shop.faults import Faults, apply
from tools.shop.rows import Rows, empty
from tools.shop.shoppers import Window, shoppers
from tools.shop.world import DAY_MS, World

# Who makes traffic: given the world, a window and its own chance, events without ids. A generator of attacks is one more entry.
Source = Callable[[World, Window, Generator], Rows]
SOURCES: tuple[Source, ...] = (shoppers,)


@dataclass(frozen=True)
class Shop:
    """A world, what goes wrong in it, and who visits it."""

    world: World
    faults: Faults
    sources: tuple[Source, ...] = SOURCES


def days(until: date, count: int, events: int) -> list[Window]:
    """One window for each of the `count` days up to and with `until`; `events` are spread over them evenly."""
    first = int(datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp() * 1000) - (count - 1) * DAY_MS
    share = [events * (i + 1) // count - events * i // count for i in range(count)]
    return [Window(first + i * DAY_MS, DAY_MS, n) for i, n in enumerate(share)]


def date_of(window: Window) -> date:
    """The day a window begins on."""
    return date(1970, 1, 1) + timedelta(milliseconds=window.start)


def traffic(shop: Shop, window: Window) -> Rows:
    """All records of one window; they depend on the seed, the window and the faults, never on other windows."""
    # The wanted number belongs to the identity: a day of 10 events is another day than one of 20, so its ids differ too.
    label = (window.start, window.length, window.events)
    made = [source(shop.world, window, stream(shop.world.seed, source.__name__, *label)) for source in shop.sources]
    return apply(np.concatenate(made), shop.faults, stream(shop.world.seed, "faults", *label))


def arrivals(shop: Shop, windows: Iterable[Window]) -> Iterator[Rows]:
    """The records in order of arrival, one piece for each window and one for what remains."""
    held = empty()
    for window in windows:
        rows = np.concatenate([held, traffic(shop, window)])
        now = rows["arrival"] < window.start + window.length
        yield _sorted(rows[now])
        held = rows[~now]
    yield _sorted(held)


def _sorted(rows: Rows) -> Rows:
    return rows[np.argsort(rows["arrival"], kind="stable")]
