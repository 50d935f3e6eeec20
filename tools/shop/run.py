"""Driving the shop: windows of traffic become records, records go to Kafka, all of it is noted."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tools.kafka.producer import Sender
from tools.ledger.record_kinds import kind_code
from tools.shop.encode import Encoder
from tools.shop.labels import Labels
from tools.shop.rows import Ints, Rows
from tools.shop.shoppers import Window
from tools.shop.stream import Shop, arrivals

BATCH = 5_000
# Sessions that began before a live stream opens are under way when it does.
UNDER_WAY_MS = 900_000
# A live stream is sent in pieces of so much time, each when it is over: nothing is sent before it happened.
PIECE_MS = 100
Tell = Callable[[int], None]


@dataclass(frozen=True)
class Part:
    """Which records of the stream are sent: all, or all but the late ones, or the late ones alone."""

    name: str = "all"

    def of(self, rows: Rows) -> Rows:
        late = rows["kind"] == kind_code("late")
        wanted = {"all": np.ones(len(rows), bool), "on-time": ~late, "late": late}[self.name]
        return np.asarray(rows[wanted])


@dataclass
class Numbered:
    """Gives each record of a run its number, and leaves out those that the broker has already."""

    done: frozenset[int]
    next: int = 0
    skipped: int = field(default=0, init=False)

    def todo(self, rows: Rows) -> tuple[Rows, list[int]]:
        numbers = range(self.next, self.next + len(rows))
        self.next += len(rows)
        if not self.done:
            return rows, list(numbers)
        keep = [i for i, number in enumerate(numbers) if number not in self.done]
        self.skipped += len(rows) - len(keep)
        return rows[keep], [numbers[i] for i in keep]


@dataclass
class Door:
    """Rows go out here: encoded, numbered, sent, and the labels of attacks noted aside."""

    encoder: Encoder
    sender: Sender
    numbered: Numbered
    labels: Labels

    def send(self, rows: Rows) -> None:
        todo, numbers = self.numbered.todo(rows)
        if numbers:
            records = self.encoder.records(todo)
            self.sender.send(records, numbers)
            self.labels.note(todo, records.ids)


def history(shop: Shop, windows: Iterable[Window], part: Part, door: Door, tell: Tell) -> None:
    """Send whole windows as fast as Kafka takes them."""
    for rows in arrivals(shop, windows):
        for batch in batches(part.of(rows)):
            door.send(batch)
            tell(door.sender.sent.total())
    door.sender.flush()


def opening_seconds(rate: float) -> float:
    """How long before a live stream of `rate` events a second begins it must be prepared, so that its first events are not late.

    Its master data are landed and the sessions under way are made: about 3 s, and 4 s for 1,000 events a second, on a slow core.
    """
    return 5 + rate / 200


def live(shop: Shop, start: int, rate: float, ends: int | None, door: Door, tell: Tell) -> None:
    """Send each record when its time of arrival has come, from `start` until `ends` (milliseconds since 1970)."""
    for rows in arrivals(shop, live_windows(start - UNDER_WAY_MS, rate)):
        # a session that is under way is one that goes on; an attack that is under way would be half an attack
        begun = (rows["arrival"] >= start) & ((rows["label"] == 0) | (rows["time"] >= start))
        for moment, due in _pieces(rows[begun]):
            if ends is not None and moment >= ends:
                door.sender.flush()
                return time.sleep(max(0.0, ends / 1000 - time.time()))
            time.sleep(max(0.0, (moment + PIECE_MS) / 1000 - time.time()))
            door.send(due)
            tell(door.sender.sent.total())
    door.sender.flush()


def batches(rows: Rows) -> Iterator[Rows]:
    """`rows` in pieces that fit into a processor's cache."""
    return (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))


def live_windows(start: int, rate: float, seconds: int = 60) -> Iterator[Window]:
    """Windows of equal length from `start` on, for ever, `rate` events a second."""
    number = 0
    while True:
        wanted = int(rate * seconds * (number + 1)) - int(rate * seconds * number)
        yield Window(start + number * seconds * 1000, seconds * 1000, wanted)
        number += 1


def _pieces(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Records by the piece of time they arrive in; each piece with the moment it begins."""
    piece: Ints = rows["arrival"] // PIECE_MS
    edges = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(rows)] if len(rows) else [0]
    for start, end in pairwise(edges):
        yield int(piece[start]) * PIECE_MS, rows[start:end]


def summary(run: str, sender: Sender, numbered: Numbered, seconds: float) -> dict[str, Any]:
    """What a run did, in numbers."""
    return {
        "run": run,
        "sent": sender.sent.total(),
        "acknowledged": sender.acknowledged,
        "kinds": dict(sorted(sender.sent.items())),
        "left_out": numbered.skipped,
        "seconds": round(seconds, 1),
        "events_per_second": round(sender.sent.total() / seconds) if seconds else 0,
    }
