"""Waits until the lake holds every record below given end offsets; what holds no record in Kafka is recorded as a gap."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clickstream_contracts import names
from tools.ledger import offset_ranges
from tools.ledger.kafka_gaps import Gap, GapFinder
from tools.ledger.lake_records import LakeRecords
from tools.ledger.offset_ranges import Range

# A number, for example of records, by partition.
Counts = dict[int, int]
Ranges = Mapping[int, list[Range]]
POLL_SECONDS = 2.0
REPORT_SECONDS = 5.0


class TopicRecreated(RuntimeError):
    """Kafka's end offsets are below those that are published; the text says in which partition, and how to go on."""


class LakeIncomplete(RuntimeError):
    """The lake lacks records after the timeout; the text says how many in which partition."""


@dataclass
class Completeness:
    """Compares the lake with the offsets from `starts` to `ends` of each partition.

    gaps: the offsets that are known to hold no record. new_gaps: those of them that are not recorded yet.
    """

    lake: LakeRecords
    finder: GapFinder
    starts: Counts
    ends: Counts
    gaps: dict[int, list[Range]]
    new_gaps: list[Gap] = field(default_factory=list)
    # First offsets of missing ranges that hold a record in Kafka.
    _records: set[tuple[int, int]] = field(default_factory=set)

    def missing_records(self) -> Counts:
        """Returns how many records each partition lacks, only where some are missing. Asks Kafka about each missing range once."""
        self.lake.refresh()
        new_gaps = self.finder.gaps(self._not_asked(self._missing()))
        for gap in new_gaps:
            self.gaps[gap.partition] = offset_ranges.union([*self.gaps.get(gap.partition, []), gap.offsets])
        self.new_gaps += new_gaps
        missing = self._missing()
        self._records |= {(partition, first) for partition, ranges in missing.items() for first, _ in ranges}
        return {partition: offset_ranges.count(ranges) for partition, ranges in missing.items()}

    def repeated_rows(self) -> Counts:
        """Returns how many rows of each partition repeat the offset of another one, only where some do."""
        repeated = {p: self.lake.rows(p) - offset_ranges.count(self.lake.ranges(p)) for p in self.ends}
        return {partition: rows for partition, rows in repeated.items() if rows}

    def _missing(self) -> dict[int, list[Range]]:
        missing = {}
        for partition, end in self.ends.items():
            existing = [*self.lake.ranges(partition), *self.gaps.get(partition, [])]
            missing[partition] = offset_ranges.missing(existing, self.starts.get(partition, 0), end)
        return {partition: ranges for partition, ranges in missing.items() if ranges}

    def _not_asked(self, missing: Ranges) -> Ranges:
        ranges = {p: [offsets for offsets in values if (p, offsets[0]) not in self._records] for p, values in missing.items()}
        return {partition: values for partition, values in ranges.items() if values}


def check_topic(starts: Counts, ends: Counts) -> None:
    """Raises TopicRecreated if a partition ends below its published records."""
    for partition, end in sorted(ends.items()):
        if end < starts.get(partition, 0):
            raise TopicRecreated(
                f"partition {partition} of {names.CLICKS_TOPIC} ends at offset {end}, but {starts[partition]} are published: if the"
                " topic was created again, run `./clickstream repair topic`, then start the run again"
            )


def until_complete(
    missing_records: Callable[[], Counts],
    timeout: float,
    report_progress: Callable[[str], None],
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Poll `missing_records` until it is empty. Raises LakeIncomplete after `timeout` seconds."""
    deadline, last_report = time.monotonic() + timeout, 0.0
    while missing := missing_records():
        if time.monotonic() > deadline:
            raise LakeIncomplete(f"after {timeout:g} s the lake still lacks {describe(missing)}; run `./clickstream stack doctor`")
        if time.monotonic() - last_report > REPORT_SECONDS:
            report_progress(f"waiting for the lake: it lacks {describe(missing)}")
            last_report = time.monotonic()
        time.sleep(poll_seconds)


def describe(counts: Counts) -> str:
    """Returns the counts as text, e.g. `3 records of partition 0`."""
    return ", ".join(f"{count} records of partition {p}" for p, count in sorted(counts.items()))
