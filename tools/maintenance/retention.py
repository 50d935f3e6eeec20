"""Retention: deletes what is older than its contract says from the tables that streams write.

Only whole data files are deleted, which needs no reading of rows: the partition of an arrival day holds no younger row. The offsets of
deleted records are recorded in landing.offset_gaps first, so that whoever compares the lake with Kafka or a sender knows them.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from clickstream_contracts import names, schema
from tools.ledger import lake_state, offset_gaps, topic_recreations
from tools.ledger.offset_ranges import Ranges, union_of_partitions
from tools.maintenance import compaction, file_groups

COLUMNS = ["kafka_partition", "kafka_offset", "ingested_at"]


class NotPublished(RuntimeError):
    """A record is older than the contract allows and no nightly run has published it; nothing was deleted."""


@dataclass
class Expired:
    """The data files of a table all of whose rows arrived before the time `before`."""

    before: datetime
    files: list[DataFile] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(file.record_count for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.file_size_in_bytes for file in self.files)


def tables() -> list[str]:
    """Returns the tables that streams write and that keep rows for a number of days."""
    return [name for name in compaction.stream_tables() if schema.tables()[name].retention_days]


def find(catalog: RestCatalog, name: str, now: datetime) -> Expired:
    """Returns the expired files of a table, from the bounds of their columns. Days are those of UTC, as in its partitions."""
    days = schema.tables()[name].retention_days or 0
    expired = Expired(datetime.combine(now.astimezone(UTC).date(), time(), UTC) - timedelta(days=days))
    table = catalog.load_table(name)
    files = (task.file for task in table.scan(row_filter=f"ingested_at < '{expired.before.isoformat()}'").plan_files())
    expired.files = [each.file for each in file_groups.read_bounds(files, table.schema()) if each.last < expired.before]
    return expired


def apply(catalog: RestCatalog, expired: dict[str, Expired]) -> None:
    """Delete the files of each table, in one commit for each. A run that was killed is finished by the next one.

    Raises NotPublished if one of the records has not been published.
    """
    deleted: Ranges = {}
    recreations = topic_recreations.recorded(catalog)
    for name, each in expired.items():
        if schema.tables()[name].topic == names.CLICKS_TOPIC:
            table = catalog.load_table(name)
            deleted = union_of_partitions([deleted, *(recreations.ranges(_positions(table, file)) for file in each.files)])
    published = lake_state.published_end_offsets(catalog)
    for partition, ranges_of_partition in deleted.items():
        if ranges_of_partition[-1][1] > published.get(partition, 0):
            last = ranges_of_partition[-1][1] - 1
            raise NotPublished(
                f"{names.CLICKS_TOPIC}: offset {last} of partition {partition} is expired and not published: run the nightly DAG"
            )
    offset_gaps.record(catalog, deleted, offset_gaps.RETENTION)
    for name, each in expired.items():
        if each.files:
            compaction.commit(catalog, name, [compaction.Rewrite([file], []) for file in each.files])


def _positions(table: Table, file: DataFile) -> pa.Table:
    with table.io.new_input(file.file_path).open() as stream:
        return pq.read_table(stream, columns=COLUMNS)
