"""Past events: those of a file that replay reads, and those of days of the lake."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from time import time as clock
from typing import IO, Any

from pyiceberg.table import Table

from clickstream_contracts import names, schema
from clickstream_contracts.event_limits import EventLimits
from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.settings import Settings
from clickstream_contracts.time_zones import day_start
from tools.common.command import UsageError
from tools.lake.catalog import open_catalog
from tools.replay import sources
from tools.replay.account import Account
from tools.replay.events import Products, derive_sessions, map_lines
from tools.replay.lines import until_damage
from tools.replay.mapping import Mapping, load

Event = dict[str, Any]
CLICKS = "raw.clicks"
DAY_RANGE = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?")


@dataclass
class FileEvents:
    """The events of a file by a mapping, as replay would send them, and the account of its lines."""

    path: Path
    mapping: Mapping
    limits: EventLimits
    account: Account

    def __iter__(self) -> Iterator[Event]:
        """Yields the events in the order of the file. Raises UsageError if the file lacks what the mapping needs."""
        mapping = self.mapping
        mapping.require_columns(sources.columns(self.path, mapping.reading, mapping.has_columns), str(self.path))
        mapping.require_lists(until_damage(self._lines()), str(self.path))
        sessions = derive_sessions(self._lines(), mapping, self.limits) if mapping.derives_sessions else None
        # The states of products are not judged, and those of a long file need much memory.
        without_products = replace(mapping, products=())
        yield from self.account.events_of(map_lines(self._lines(), without_products, sessions, Products(), limits=self.limits))

    def _lines(self) -> Iterator[sources.Line]:
        return sources.read(self.path, self.mapping.reading)

    def summary(self) -> dict[str, Any]:
        """Returns the account of the lines, of which all that are not rejected are judged."""
        account = self.account
        return {
            "lines": account.lines,
            "rejected": account.rejected,
            "reasons": dict(account.reasons.most_common()),
            "not_read": account.damage,
            "warnings": account.warnings(self.mapping),
        }


def open_file(path: Path, mapping: str, settings: Settings, reject_file: IO[str]) -> FileEvents:
    """Returns the events of a file; its lines are read when they are iterated. Raises UsageError if there is no such mapping."""
    return FileEvents(path, load(mapping), EventLimits.at(int(1000 * clock()), settings), Account(reject_file))


@dataclass(frozen=True)
class Days:
    """Whole days of the shop, the last one included."""

    first: date
    last: date
    zone: tzinfo = UTC

    @property
    def start_ms(self) -> int:
        return self._ms(self.first)

    @property
    def end_ms(self) -> int:
        """The first moment after the days."""
        return self._ms(self.last + timedelta(days=1))

    @property
    def look_back_ms(self) -> int:
        """How far before the first day to begin: its first events have complete windows, and their alerts are suppressed as usual."""
        return 1000 * (rules().longest_seconds + 60 * rules().alert_suppression_minutes)

    def all(self) -> Iterator[date]:
        """Yields each day."""
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))

    def day_of(self, milliseconds: int) -> date:
        """Returns the day of a time (ms since 1970)."""
        return datetime.fromtimestamp(milliseconds / 1000, self.zone).date()

    def _ms(self, day: date) -> int:
        return _epoch_ms(day_start(day, self.zone))

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"


def parse_days(text: str, zone: tzinfo = UTC) -> Days | None:
    """Returns the days of `2026-01-01` or `2026-01-01..2026-01-07`; None for any other text. Raises UsageError for what is no day."""
    match = DAY_RANGE.fullmatch(text)
    if match is None:
        return None
    try:
        days = Days(date.fromisoformat(match[1]), date.fromisoformat(match[2] or match[1]), zone)
        _moments(days)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text}: {error}: give days like 2026-01-01..2026-01-07") from None
    if days.last < days.first:
        raise UsageError(f"{text}: the last day is before the first one: write {days.last}..{days.first}")
    return days


def lake_events(settings: Settings, days: Days) -> Iterator[Event]:
    """Yields the valid events of days and of the look-back before them, as the lake holds them: one that was sent twice is there twice."""
    table = open_catalog(settings).load_table(CLICKS)
    start, end = _moments(days)
    in_days = f"event_time >= '{start}' and event_time < '{end}'"
    for batch in table.scan(row_filter=in_days, selected_fields=_columns(table)).to_arrow_batch_reader():
        yield from map(_event, batch.to_pylist())


def _moments(days: Days) -> tuple[str, str]:
    """Returns from when to when events are read, in ISO 8601. Raises OverflowError or ValueError outside the years 1 to 9999."""
    start, end = (datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in (days.start_ms - days.look_back_ms, days.end_ms))
    return start, end


def _columns(table: Table) -> tuple[str, ...]:
    """Returns the columns that hold fields of the event; a table made by an earlier version has fewer."""
    existing = {column.name for column in table.schema().fields}
    return tuple(field.name for field in schema.event().fields if field.name in existing)


def _event(row: dict[str, Any]) -> Event:
    """Returns an event of click.v1 from a row of the lake."""
    event = {name: value for name, value in row.items() if value is not None}
    return event | {"event_time": _epoch_ms(row["event_time"]), "schema_version": names.EVENT_VERSION}


def _epoch_ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
