"""Holds past events on disk and writes them in order of their time, for a job that reads each as if it had just arrived."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.sql_templates import render_file

Event = dict[str, Any]
BATCH = 10_000
SQL = Path(__file__).parent / "sql"
SMALLEST_TIME = -(2**63)


@dataclass(frozen=True)
class Content:
    """What a store holds: numbers of events, their first and last time (ms since 1970), and the quarters of an hour with events.

    repeated: events whose event_id another one has; scored: payments and sign-ins; with_entity: by column, events that have a value.
    """

    events: int
    repeated: int
    scored: int
    first: int
    last: int
    quarter_hours: frozenset[int]
    with_entity: dict[str, int]


class EventStore:
    """Events in a file of SQLite, which sorts any number of them outside memory.

    each_once: of events with the same event_id, only the one with the earliest time is kept.
    """

    def __init__(self, file: Path, each_once: bool) -> None:
        self._each_once = each_once
        self._rows_added = 0
        self._database = sqlite3.connect(file, isolation_level=None)
        # A store is read once by the process that wrote it: no journal, no fsync.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            self._database.execute(f"PRAGMA {pragma}")
        self._insert = _statement("insert_event", each_once=each_once)
        self._database.execute(_statement("create_events", each_once=each_once))

    def __enter__(self) -> "EventStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()

    def add(self, events: Iterable[Event], on_progress: Callable[[int], None] = lambda rows: None) -> None:
        """Add events that have at least event_id and event_time (ms since 1970). on_progress: called with the number added so far."""
        rows = ((event["event_id"], event["event_time"], _as_arrived(event)) for event in events)
        while batch := list(islice(rows, BATCH)):
            self._database.execute("BEGIN")
            self._database.executemany(self._insert, batch)
            self._database.execute("COMMIT")
            self._rows_added += len(batch)
            on_progress(self._rows_added)

    def content(self, start: int | None = None) -> Content:
        """Returns what the store holds; events before `start` (ms since 1970) are not counted."""
        fraud = rules()
        entities = sorted({pattern.entity for pattern in fraud.patterns})
        first_counted = {"start": SMALLEST_TIME if start is None else start}
        values = {**first_counted, "scored_events": orjson.dumps(list(fraud.scored_events)).decode()}
        counts = self._database.execute(_statement("event_counts", entities=entities), values).fetchone()
        events, distinct, scored, first, last, *with_entity = counts
        return Content(
            events=events,
            repeated=self._rows_added - self._row_count() if self._each_once else events - distinct,
            scored=scored,
            first=first,
            last=last,
            quarter_hours=frozenset(number for (number,) in self._database.execute(_statement("event_quarter_hours"), first_counted)),
            with_entity=dict(zip(entities, with_entity, strict=True)),
        )

    def write(self, file: Path) -> None:
        """Write the events as JSON lines in order of their time; events of the same time in the order in which they were added."""
        with file.open("w") as out:
            out.writelines(line + "\n" for line in self._lines_in_order())

    def _row_count(self) -> int:
        return int(self._database.execute(_statement("row_count")).fetchone()[0])

    def _lines_in_order(self) -> Iterator[str]:
        return (line for (line,) in self._database.execute(_statement("events_in_order")))


def _statement(name: str, **values: Any) -> str:
    """Returns the statement in sql/NAME.sql."""
    return render_file(SQL / f"{name}.sql", values)


def _as_arrived(event: Event) -> str:
    """Returns the JSON of an event that arrives at its own time: nothing is late."""
    return orjson.dumps(event | {"arrived_ms": event["event_time"]}, default=str).decode()
