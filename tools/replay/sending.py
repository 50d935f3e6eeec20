"""Sends the events of a file in batches; whatever happens, what was sent is flushed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Protocol

import orjson

from tools.kafka.producer import Records
from tools.ledger.record_kinds import REPLAYED
from tools.replay.events import Event

BATCH = 5_000


class Sender(Protocol):
    """Sends records; `acknowledged` counts those that the broker has confirmed."""

    acknowledged: int

    def send(self, records: Records, numbers: Sequence[int]) -> None: ...

    def flush(self) -> None: ...


class NoSender:
    """Sends nothing: for a dry run."""

    acknowledged = 0

    def send(self, records: Records, numbers: Sequence[int]) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""


def send(events: Iterator[Event], sender: Sender, after_batch: Callable[[], None]) -> None:
    """Send all events. Raises SendError if the broker is unreachable or refused some."""
    numbers = count()
    try:
        for batch in _batches(events):
            sender.send(_records(batch), [next(numbers) for _ in batch])
            after_batch()
    finally:
        sender.flush()


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    events = iter(events)
    while batch := list(islice(events, BATCH)):
        yield batch


def _records(batch: list[Event]) -> Records:
    return Records(
        [event["event_id"] for event in batch],
        [REPLAYED] * len(batch),
        [event["session_id"].encode() for event in batch],
        [orjson.dumps(event) for event in batch],
    )
