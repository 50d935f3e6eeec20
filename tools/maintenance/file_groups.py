"""Which small data files of a stream's table are rewritten together: files of a closed arrival hour or day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.types import TimestamptzType

ARRIVAL = "ingested_at"
# Time after the end of an hour in which records that arrived in it can still be committed by a stream without delay.
GRACE = timedelta(minutes=10)
# A file of at least this share of the target size is left alone.
FULL = 0.75


@dataclass(frozen=True)
class ArrivalFile:
    """A data file and the first and last arrival of its records, from its column bounds."""

    file: DataFile
    first: datetime
    last: datetime

    def period(self, now: datetime) -> tuple[datetime, timedelta] | None:
        """Returns start and length of the closed hour or day that all records arrived in; None if there is none.

        A file of several hours belongs to the hour of its last record until the day is closed.
        """
        day, last_day = (time.replace(hour=0, minute=0, second=0, microsecond=0) for time in (self.first, self.last))
        hour = self.last.replace(minute=0, second=0, microsecond=0)
        if day != last_day:
            return None
        for start, length in ((day, timedelta(days=1)), (hour, timedelta(hours=1))):
            if start + length + GRACE <= now:
                return start, length
        return None


def read_bounds(files: Iterable[DataFile], schema: Schema) -> Iterator[ArrivalFile]:
    """Yields the files that have bounds of the arrival."""
    field_id = schema.find_field(ARRIVAL).field_id
    for file in files:
        first, last = ((bounds or {}).get(field_id) for bounds in (file.lower_bounds, file.upper_bounds))
        if first is not None and last is not None:
            yield ArrivalFile(file, _time(first), _time(last))


def _time(bound: bytes) -> datetime:
    return datetime.fromtimestamp(int(from_bytes(TimestamptzType(), bound)) / 1_000_000, UTC)


def groups(files: Iterable[ArrivalFile], target_bytes: int, now: datetime) -> list[list[DataFile]]:
    """Returns groups of at least two small files of one closed period, in order of arrival, of at most `target_bytes` each."""
    by_period: dict[tuple[datetime, timedelta], list[ArrivalFile]] = defaultdict(list)
    for file in files:
        period = file.period(now)
        if period and file.file.file_size_in_bytes < FULL * target_bytes:
            by_period[period].append(file)
    filled = (group for _, members in sorted(by_period.items()) for group in _filled(members, target_bytes))
    return [group for group in filled if len(group) > 1]


def _filled(files: list[ArrivalFile], target_bytes: int) -> Iterator[list[DataFile]]:
    group: list[DataFile] = []
    size = 0
    for file in sorted(files, key=lambda each: (each.first, each.last, each.file.file_path)):
        if group and size + file.file.file_size_in_bytes > target_bytes:
            yield group
            group, size = [], 0
        group.append(file.file)
        size += file.file.file_size_in_bytes
    yield group
