"""Runs the shop: makes records window by window and sends them to Kafka, all at once (history) or at the pace of the clock (live)."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tools.kafka.producer import Sender
from tools.ledger.record_kinds import kind_code
from tools.shop.encode import Encoder
from tools.shop.labels import LabelFile
from tools.shop.rows import Ints, Rows
from tools.shop.shoppers import Window
from tools.shop.stream import Shop, arrivals

# Rows that are encoded and sent together: few enough for a processor's cache.
BATCH = 5_000
# A live stream starts with sessions that began up to so long before it.
WARM_UP_MS = 900_000
# A live stream sends each slice of this length when it is over, so no record is sent before its time of arrival.
SLICE_MS = 100
SELECTIONS = ("all", "on-time", "late")
ReportCount = Callable[[int], None]


def select(rows: Rows, selection: str) -> Rows:
    """Returns the records of a selection: all, all but the late ones (on-time), or the late ones alone."""
    is_late = rows["kind"] == kind_code("late")
    if selection == "late":
        return np.asarray(rows[is_late])
    if selection == "on-time":
        return np.asarray(rows[~is_late])
    return rows


@dataclass
class Numbering:
    """Numbers the records of a run in sending order, and leaves out those in `acknowledged`, which an earlier try sent."""

    acknowledged: frozenset[int]
    next: int = 0
    skipped: int = field(default=0, init=False)

    def number(self, rows: Rows) -> tuple[Rows, list[int]]:
        """Returns the rows that are still to be sent, with their numbers."""
        numbers = range(self.next, self.next + len(rows))
        self.next += len(rows)
        if not self.acknowledged:
            return rows, list(numbers)
        remaining = [i for i, number in enumerate(numbers) if number not in self.acknowledged]
        self.skipped += len(rows) - len(remaining)
        return rows[remaining], [numbers[i] for i in remaining]


@dataclass
class Output:
    """Encodes, numbers and sends rows, and writes the labels of attacks."""

    encoder: Encoder
    sender: Sender
    numbering: Numbering
    labels: LabelFile

    def send(self, rows: Rows) -> None:
        remaining, numbers = self.numbering.number(rows)
        if numbers:
            records = self.encoder.records(remaining)
            self.sender.send(records, numbers)
            self.labels.write(remaining, records.ids)


def history(shop: Shop, windows: Iterable[Window], selection: str, output: Output, report_count: ReportCount) -> None:
    """Send whole windows as fast as Kafka accepts them."""
    for rows in arrivals(shop, windows):
        for batch in batches(select(rows, selection)):
            output.send(batch)
            report_count(output.sender.sent.total())
    output.sender.flush()


def preparation_seconds(rate: float) -> float:
    """Returns how long before its start a live stream of `rate` events per second must be prepared, so that no event is late.

    Appending master data and making the first sessions takes about 3 s, 4 s at 1,000 events per second, on a slow core.
    """
    return 5 + rate / 200


def live(shop: Shop, start: int, rate: float, end: int | None, output: Output, report_count: ReportCount) -> None:
    """Send each record at its time of arrival, from `start` until `end` (ms since 1970; None: without end)."""
    for rows in arrivals(shop, live_windows(start - WARM_UP_MS, rate)):
        # Sessions that began earlier continue. Attacks that began earlier are left out: half an attack would be labelled as one.
        started = (rows["arrival"] >= start) & ((rows["label"] == 0) | (rows["time"] >= start))
        for slice_start, slice_rows in _slices(rows[started]):
            if end is not None and slice_start >= end:
                output.sender.flush()
                return _sleep_until(end)
            _sleep_until(slice_start + SLICE_MS)
            output.send(slice_rows)
            report_count(output.sender.sent.total())
    output.sender.flush()


def _sleep_until(moment_ms: int) -> None:
    time.sleep(max(0.0, moment_ms / 1000 - time.time()))


def batches(rows: Rows) -> Iterator[Rows]:
    """Yields the rows in batches."""
    return (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))


def live_windows(start: int, rate: float, seconds: int = 60) -> Iterator[Window]:
    """Yields windows of `seconds` from `start` (ms since 1970) on without end, with `rate` events per second."""
    number = 0
    while True:
        events = int(rate * seconds * (number + 1)) - int(rate * seconds * number)
        yield Window(start + number * seconds * 1000, seconds * 1000, events)
        number += 1


def _slices(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yields the rows of each slice of SLICE_MS, in order of arrival, with the slice's start."""
    if not len(rows):
        return
    slice_number: Ints = rows["arrival"] // SLICE_MS
    edges = [0, *(np.flatnonzero(np.diff(slice_number)) + 1).tolist(), len(rows)]
    for first, end in pairwise(edges):
        yield int(slice_number[first]) * SLICE_MS, rows[first:end]


def summary(run: str, sender: Sender, numbering: Numbering, seconds: float) -> dict[str, Any]:
    """Returns the counts of a run."""
    return {
        "run": run,
        "sent": sender.sent.total(),
        "acknowledged": sender.acknowledged,
        "kinds": dict(sorted(sender.sent.items())),
        "left_out": numbering.skipped,
        "seconds": round(seconds, 1),
        "events_per_second": round(sender.sent.total() / seconds) if seconds else 0,
    }
