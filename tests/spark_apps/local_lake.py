"""A lake for tests: the contract's tables in an Iceberg catalog of files, hand-made events, and nightly runs."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.render import iceberg_partition, spark_type
from clickstream_contracts.schema import Contract, tables
from spark_apps.audits import app as audits
from spark_apps.common.lake import Lake
from spark_apps.common.session import CATALOG
from spark_apps.curate import app as curate
from spark_apps.dimensions import app as dimensions
from spark_apps.marts import app as marts

SPARK_TABLES = [table for table in tables() if table.split(".")[0] in ("curated", "marts", "features")]
LAKE_NUMBERS = itertools.count(1)
FIRST_ARRIVAL = datetime(2026, 3, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """Returns a time of January 2026 (UTC): `2 10:00` is ten o'clock of 2026-01-02."""
    day, time_of_day = text.split()
    hour, minute, *second = time_of_day.split(":")
    seconds = float(second[0]) if second else 0
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=int(day) - 1, hours=int(hour), minutes=int(minute), seconds=seconds)


def text(moment: datetime) -> str:
    """Returns the text of a time for `at`."""
    return f"{(moment - at('1 00:00')).days + 1} {moment:%H:%M:%S}"


def days_of(events: list[dict[str, Any]]) -> list[date]:
    """Returns the days of the events, sorted."""
    return sorted({at(event["event_time"]).date() for event in events})


@dataclass
class FileCatalog:
    """A catalog of files, in which the published state of a table is a tag of the table."""

    prefix: str

    def conf(self) -> dict[str, str]:
        return {}

    def name(self, table: str) -> str:
        return f"{CATALOG}.{self.prefix}{table}"

    def published(self, table: str) -> str:
        return f"{self.name(table)}.tag_published"

    def files(self, table: str) -> str:
        return f"{self.name(table)}.files"

    def published_files(self, table: str) -> str:
        return f"{self.files(table)} VERSION AS OF 'published'"

    def file_io(self) -> dict[str, str]:
        return {}


class SharedLake(Lake):
    """A lake whose session is used by all tests, so an app must not stop it."""

    def close(self) -> None:
        self.spark.catalog.clearCache()
        # An app of a later run reads it again.
        self.__dict__.pop("_topic_recreations", None)


@dataclass
class LocalLake:
    """Sends events into raw tables, runs the apps and reads the result."""

    spark: SparkSession
    folder: Path
    # Its tables have names of their own in the catalog that all tests share.
    number: int = field(default_factory=lambda: next(LAKE_NUMBERS))
    offsets: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    receipts: list[Receipt] = field(default_factory=list)
    run_numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.catalog = FileCatalog(f"t{self.number}_")
        self.lake = SharedLake(self.spark, self.catalog)
        for contract in tables().values():
            self._create(contract)
        self.publish()

    def _create(self, contract: Contract) -> None:
        columns = ", ".join(f"{f.name} {spark_type(f)}{' NOT NULL' if f.required else ''}" for f in contract.fields)
        transforms = [column if how == "identity" else f"{how}s({column})" for column, how, _ in iceberg_partition(contract)]
        partitioning = f"PARTITIONED BY ({', '.join(transforms)})" if transforms else ""
        name = self.catalog.name(contract.id)
        self.spark.sql(f"CREATE TABLE {name} ({columns}) USING iceberg {partitioning} TBLPROPERTIES ('format-version'='2')")
        # An empty append: a tag needs a snapshot.
        self.iceberg(contract.id).newAppend().commit()

    def iceberg(self, table: str) -> Any:
        """Returns Iceberg's Java object of a table, for calls that need no Spark job."""
        util = self.spark._jvm.org.apache.iceberg.spark.Spark3Util
        return util.loadIcebergTable(self.spark._jsparkSession, self.catalog.name(table))

    def publish(self) -> None:
        """Tag the current state of the tables as published, as the merge of a nightly run does."""
        for name in SPARK_TABLES:
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
        """Write events to raw.clicks as the stream does; each arrives one second after the one before it."""
        self.insert("raw.clicks", *(self._raw_click(event) for event in events))

    def set_events(self, events: list[dict[str, Any]]) -> None:
        """Write these events, and no others, to curated.events."""
        columns = {"ingested_at": FIRST_ARRIVAL, "kafka_partition": 0, "schema_version": 1}
        times = [at(event["event_time"]) for event in events]
        self.spark.sql(f"DELETE FROM {self.catalog.name('curated.events')}")
        self.insert(
            "curated.events",
            *(
                event | columns | {"kafka_offset": offset, "event_time": time, "event_day": time.date()}
                for offset, (event, time) in enumerate(zip(events, times, strict=True))
            ),
        )

    def _raw_click(self, event: dict[str, Any]) -> dict[str, Any]:
        partition = event.pop("partition", 0)
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        arrived = FIRST_ARRIVAL + timedelta(seconds=sum(self.offsets.values()))
        kafka = {"kafka_partition": partition, "kafka_offset": offset, "ingested_at": arrived, "schema_version": 1}
        price = {"price": Decimal(str(event["price"]))} if event.get("price") is not None else {}
        return kafka | event | price | {"event_time": at(event["event_time"])}

    def quarantine(self, count: int, partition: int = 0) -> None:
        """Write records to raw.quarantine."""
        first = self.offsets[partition]
        self.offsets[partition] += count
        record = {"kafka_partition": partition, "ingested_at": FIRST_ARRIVAL, "reason": "not_json"}
        self.insert("raw.quarantine", *({**record, "kafka_offset": first + i} for i in range(count)))

    def run(self, app: Any, *args: str, run: str = "", day: str = "2026-01-02") -> tuple[int, Receipt]:
        """Run one app with the arguments that Airflow passes; returns its exit code and its receipt."""
        path = self.folder / f"receipt_{self.number}_{next(self.run_numbers)}.json"
        run_id = run or f"run{next(self.run_numbers)}"
        argv = ["--ref", "branch", "--run", run_id, "--day", day, "--receipt", path.as_uri(), *args]
        code = app.main(argv, lambda settings, ref, name: self.lake)
        return code, Receipt.from_json(path.read_text())

    def curate(self, *args: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """Run curate without publishing; returns its receipt."""
        code, receipt = self.run(curate, "--end-offsets", json.dumps(self.offsets), *args, run=run, day=day)
        assert (code, receipt.error) == (0, "")
        return receipt

    def publish_curated(self, *args: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """Run curate only and publish the result; returns its receipt."""
        receipt = self.curate(*args, run=run, day=day)
        self.publish()
        return receipt

    def recompute(self, *args: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """Run dimensions, curate and marts without publishing; returns the receipt of curate."""
        assert self.run(dimensions, day=day)[0] == 0
        receipt = self.curate(*args, run=run, day=day)
        code, marts_receipt = self.run(marts, "--days", ",".join(receipt.facts["days"]), day=day)
        assert (code, marts_receipt.error) == (0, "")
        return receipt

    def publish_unaudited(self, *args: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """Run dimensions, curate and marts and publish the result; returns the receipt of curate. A third faster than `nightly`."""
        receipt = self.recompute(*args, run=run, day=day)
        self.publish()
        return receipt

    def nightly(self, *args: str, run: str = "", day: str = "2026-01-02") -> Receipt:
        """Run dimensions, curate, marts and audits and publish the result; returns the receipt of curate."""
        receipt = self.recompute(*args, run=run, day=day)
        code, audits_receipt = self.run(audits, "--namespaces=raw,curated,marts", day=day)
        assert (code, audits_receipt.error) == (0, ""), audits_receipt.facts
        self.publish()
        return receipt

    def table(self, table: str) -> DataFrame:
        return self.lake.table(table)

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Returns the rows as sorted tuples; of a single column, its sorted values."""
        rows = self.table(table).select(*columns).collect()
        return sorted((row[0] if len(columns) == 1 else tuple(row) for row in rows), key=repr)

    def contents(self, *excluded: str) -> dict[str, str]:
        """Returns the content hash of every table that Spark writes, except some."""
        return self.lake.contents({table: self.table(table) for table in SPARK_TABLES if table not in excluded})

    def commits(self) -> dict[str, int]:
        """Returns the number of commits of each table."""
        return {name: len(list(self.iceberg(name).snapshots())) for name in SPARK_TABLES}
