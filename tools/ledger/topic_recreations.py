"""The table landing.topic_recreations: where the offsets of clicks.v1 began at 0 again, and what continues them in the lake."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyiceberg.catalog.rest import RestCatalog

from tools.ledger.offset_ranges import Ranges, of_partitions

TABLE = "landing.topic_recreations"


@dataclass(frozen=True)
class Recreation:
    """From `started_at` on, the offset in the lake of a record of the partition is its Kafka offset plus `base`."""

    partition: int
    started_at: datetime
    base: int


@dataclass(frozen=True)
class Recreations:
    """All recreations of the topic, the oldest first."""

    items: tuple[Recreation, ...] = ()

    def base(self, partition: int) -> int:
        """Returns what is added to the Kafka offset of a new record of a partition."""
        return max((item.base for item in self.items if item.partition == partition), default=0)

    def lake_offsets(self, rows: pa.Table) -> NDArray[np.int64]:
        """Returns the offset in the lake of each row, which has kafka_partition, kafka_offset and, if there are any, ingested_at."""
        offsets = rows["kafka_offset"].to_numpy()
        if not self.items:
            return np.asarray(offsets, np.int64)
        bases = np.zeros(len(offsets), np.int64)
        partitions = rows["kafka_partition"].to_numpy()
        arrivals = rows["ingested_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        for item in self.items:
            bases[(partitions == item.partition) & (arrivals >= round(item.started_at.timestamp() * 1_000_000))] = item.base
        return np.asarray(offsets + bases, np.int64)

    def ranges(self, rows: pa.Table) -> Ranges:
        """Returns the offsets in the lake of rows by partition."""
        return of_partitions(rows["kafka_partition"].to_numpy(), self.lake_offsets(rows)) if len(rows) else {}

    @property
    def columns(self) -> list[str]:
        """The columns that `lake_offsets` needs."""
        return ["kafka_partition", "kafka_offset", *(["ingested_at"] if self.items else [])]


NONE = Recreations()


def recorded(catalog: RestCatalog) -> Recreations:
    """Returns the recorded recreations."""
    rows = catalog.load_table(TABLE).scan().to_arrow().to_pylist()
    items = [Recreation(row["kafka_partition"], row["started_at"], row["offset_base"]) for row in rows]
    return Recreations(tuple(sorted(items, key=lambda item: (item.started_at, item.base))))


def append(catalog: RestCatalog, recreations: Iterable[Recreation]) -> None:
    """Append recreations to the table on main."""
    now = datetime.now(UTC)
    rows = [
        {"kafka_partition": item.partition, "started_at": item.started_at, "offset_base": item.base, "recorded_at": now}
        for item in recreations
    ]
    table = catalog.load_table(TABLE)
    table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))
