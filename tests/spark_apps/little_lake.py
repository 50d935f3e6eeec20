"""A lake for tests: the contract's tables in an Iceberg catalog of files, a shop's events by hand, and nights."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.render import iceberg_partition, spark_type
from clickstream_contracts.schema import Contract, tables
from spark_apps import audit, curate, dimensions, marts
from spark_apps.engine import CATALOG, Lake

OURS = [table for table in tables() if table.split(".")[0] in ("curated", "marts", "features")]
ARRIVAL = datetime(2026, 3, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """`2 10:00` is ten o'clock UTC of 2026-01-02."""
    day, clock = text.split()
    hour, minute, *rest = clock.split(":")
    seconds = float(rest[0]) if rest else 0
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=int(day) - 1, hours=int(hour), minutes=int(minute), seconds=seconds)


@dataclass
class FileCatalog:
    """The boundary's other side in tests: published is a tag of each table."""

    prefix: str

    def conf(self) -> dict[str, str]:
        return {}

    def name(self, table: str) -> str:
        return f"{CATALOG}.{self.prefix}{table}"

    def published(self, table: str) -> str:
        return f"{self.name(table)}.tag_published"

    def file_io(self) -> dict[str, str]:
        return {}


class SharedLake(Lake):
    """A lake on the session of all tests, which outlives the app."""

    def close(self) -> None:
        self.spark.catalog.clearCache()


@dataclass
class LittleLake:
    """What a test does: a shop sends, a night runs, somebody looks."""

    spark: SparkSession
    number: int
    folder: Path
    offsets: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    receipts: list[Receipt] = field(default_factory=list)
    nights: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.catalog = FileCatalog(f"t{self.number}_")
        self.lake = SharedLake(self.spark, self.catalog)
        for contract in tables().values():
            self._create(contract)
        self.publish()

    def _create(self, contract: Contract) -> None:
        columns = ", ".join(f"{f.name} {spark_type(f)}{' NOT NULL' * f.required}" for f in contract.fields)
        parts = [column if how == "identity" else f"{how}s({column})" for column, how, _ in iceberg_partition(contract)]
        by = f"PARTITIONED BY ({', '.join(parts)})" if parts else ""
        name = self.catalog.name(contract.id)
        self.spark.sql(f"CREATE TABLE {name} ({columns}) USING iceberg {by} TBLPROPERTIES ('format-version'='2')")
        # A tag needs a snapshot to point at.
        self.iceberg(contract.id).newAppend().commit()

    def iceberg(self, table: str) -> Any:
        """Iceberg's own view of a table, for what needs no Spark job."""
        util = self.spark._jvm.org.apache.iceberg.spark.Spark3Util
        return util.loadIcebergTable(self.spark._jsparkSession, self.catalog.name(table))

    def publish(self) -> None:
        """What a merge does: readers of main see the branch's tables."""
        for name in OURS:
            table = self.iceberg(name)
            refs = table.manageSnapshots()
            tag = refs.replaceTag if table.refs().containsKey("published") else refs.createTag
            tag("published", table.currentSnapshot().snapshotId()).commit()

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        fields = tables()[table].fields
        schema = ", ".join(f"{f.name} {spark_type(f)}" for f in fields)
        values = [tuple(row.get(f.name) for f in fields) for row in rows]
        self.spark.createDataFrame(values, schema).writeTo(self.catalog.name(table)).append()

    def send(self, *events: dict[str, Any]) -> None:
        """Events as the stream would write them, in order, each one second after the one before."""
        self.insert("raw.clicks", *(self._arrived(event) for event in events))

    def _arrived(self, event: dict[str, Any]) -> dict[str, Any]:
        partition = event.pop("partition", 0)
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        arrived = ARRIVAL + timedelta(seconds=sum(self.offsets.values()))
        place = {"kafka_partition": partition, "kafka_offset": offset, "ingested_at": arrived, "schema_version": 1}
        price = {"price": Decimal(str(event["price"]))} if event.get("price") is not None else {}
        return place | event | price | {"event_time": at(event["event_time"])}

    def quarantine(self, count: int, partition: int = 0) -> None:
        """Records that the stream could not read."""
        first = self.offsets[partition]
        self.offsets[partition] += count
        same = {"kafka_partition": partition, "ingested_at": ARRIVAL, "reason": "not_json"}
        self.insert("raw.quarantine", *({**same, "kafka_offset": first + i} for i in range(count)))

    def run(self, app: Any, *more: str, run: str = "", day: str = "2026-01-02") -> tuple[int, Receipt]:
        """One app with the words that the scheduler uses."""
        path = self.folder / f"receipt_{self.number}_{next(self.nights)}.json"
        words = ["--ref", "branch", "--run", run or f"run{next(self.nights)}", "--day", day, "--receipt", path.as_uri(), *more]
        code = app.main(words, lambda settings, ref, name: self.lake)
        return code, Receipt.from_json(path.read_text())

    def work(self, *more: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """Dimensions, curate and marts of one night; returns curate's receipt."""
        assert self.run(dimensions, day=day)[0] == 0
        code, receipt = self.run(curate, "--cut", json.dumps(self.offsets), *more, run=run, day=day)
        assert (code, receipt.error) == (0, "")
        code, done = self.run(marts, "--days", ",".join(receipt.facts["days"]), day=day)
        assert (code, done.error) == (0, "")
        return receipt

    def night(self, *more: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """A night whose result is audited and published."""
        receipt = self.work(*more, run=run, day=day)
        code, audited = self.run(audit, "--namespaces=raw,curated,marts", day=day)
        assert (code, audited.error) == (0, ""), audited.facts
        self.publish()
        return receipt

    def table(self, table: str) -> DataFrame:
        return self.lake.table(table)

    def rows(self, table: str, *columns: str) -> list[Any]:
        """The rows, sorted; with one column only its values."""
        found = self.table(table).select(*columns).collect()
        return sorted((row[0] if len(columns) == 1 else tuple(row) for row in found), key=repr)

    def contents(self, *but: str) -> dict[str, str]:
        """The content of every table that Spark writes."""
        return self.lake.contents({table: self.table(table) for table in OURS if table not in but})

    def snapshots(self) -> dict[str, int]:
        """How many commits each table has."""
        return {name: len(list(self.iceberg(name).snapshots())) for name in OURS}
