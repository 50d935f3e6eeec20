"""Opens the lake for a Spark app: one session and one Iceberg catalog, called `nessie`, at the run's branch."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream_contracts import names
from clickstream_contracts.schema import tables
from clickstream_contracts.settings import Settings
from spark_apps import queries

CATALOG = "nessie"
SESSION = {
    "spark.sql.session.timeZone": "UTC",
    # Few partitions: a day of a shop is small, and AQE can merge partitions but not make more of them.
    "spark.sql.shuffle.partitions": "4",
    # A question that should have no answer reads all partitions at once instead of one, then four, then sixteen.
    "spark.sql.limit.initialNumPartitions": "1000",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    # No app brings classes of its own; with this, executors of a Connect server would ask it for each class that they look for.
    "spark.sql.artifact.isolation.enabled": "false",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "false",
}


class Catalog(Protocol):
    """Where the tables are. Apps see only this, so tests can pass a catalog of their own."""

    def conf(self) -> dict[str, str]:
        """The session's settings for the catalog."""

    def name(self, table: str) -> str:
        """The table, as the run's branch has it, in Spark SQL."""

    def published(self, table: str) -> str:
        """The table, as readers of main have it, in Spark SQL."""

    def file_io(self) -> dict[str, str]:
        """Properties with which the catalog's S3 client opens the object store."""


@dataclass(frozen=True)
class Nessie:
    """Nessie's Iceberg REST catalog at one branch; `table@main` reads what is published."""

    settings: Settings
    ref: str

    def conf(self) -> dict[str, str]:
        options = {
            "type": "rest",
            "uri": self.settings.iceberg_uri(self.ref),
            "warehouse": self.settings.warehouse,
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            # A cached table would hide what another task of the run has just written; a commit never changes.
            "cache-enabled": str("@" in self.ref).lower(),
            **self.file_io(),
        }
        prefix = f"spark.sql.catalog.{CATALOG}"
        return {prefix: "org.apache.iceberg.spark.SparkCatalog", **{f"{prefix}.{key}": value for key, value in options.items()}}

    def name(self, table: str) -> str:
        return quoted(*table.split("."))

    def published(self, table: str) -> str:
        namespace, name = table.split(".")
        return quoted(namespace, f"{name}@{names.MAIN}")

    def file_io(self) -> dict[str, str]:
        access_key, secret_key = self.settings.s3_credentials()
        return {
            "s3.endpoint": self.settings.s3_endpoint,
            "s3.path-style-access": "true",
            "s3.access-key-id": access_key,
            "s3.secret-access-key": secret_key,
            "client.region": self.settings.s3_region,
        }


def quoted(*parts: str) -> str:
    """A name in the catalog; quoted, because `raw` is a reserved word elsewhere and `@` is none of a plain name."""
    return ".".join([CATALOG, *(f"`{part}`" for part in parts)])


class Lake:
    """The tables of one run, and the questions asked of them."""

    def __init__(self, spark: SparkSession, catalog: Catalog) -> None:
        self.spark = spark
        self.catalog = catalog

    def sql(self, name: str, **values: Any) -> DataFrame:
        """The plan of `sql/<name>.sql`."""
        return self.text(queries.load(name), **values)

    def text(self, text: str, **values: Any) -> DataFrame:
        """The plan of a query's text."""
        return self.spark.sql(queries.render(text, self.catalog.name, self.catalog.published, values))

    def view(self, name: str, **values: Any) -> DataFrame:
        """The plan of `sql/<name>.sql`, which later queries call by its name."""
        frame = self.sql(name, **values)
        frame.createOrReplaceTempView(name)
        return frame

    def column(self, name: str, **values: Any) -> list[Any]:
        """The first column of a query's answer, sorted, without nulls."""
        return sorted(row[0] for row in self.sql(name, **values).collect() if row[0] is not None)

    def replace(self, table: str, rows: DataFrame, where: Column | None = None) -> None:
        """Put `rows` in the place of the table's rows that match `where`, in one commit; all rows without it."""
        columns = [field.name for field in tables()[table].fields]
        # A dynamic partition overwrite would leave a partition as it was when nothing of it remains.
        rows.select(*columns).writeTo(self.catalog.name(table)).overwrite(F.lit(True) if where is None else where)

    def refresh(self, table: str, rows: DataFrame) -> tuple[str, bool]:
        """Make `rows` the whole table unless they are it already; the content, and whether it had to be written."""
        rows.cache()
        contents = self.contents({"new": rows, "old": self.table(table).select(*rows.columns)})
        changed = contents["new"] != contents["old"]
        if changed:
            self.replace(table, rows)
        return contents["new"], changed

    def table(self, table: str) -> DataFrame:
        """A table of the run's branch."""
        return self.spark.table(self.catalog.name(table))

    def rows(self, ids: Iterable[str]) -> dict[str, int]:
        """Row counts; Iceberg answers them from its metadata."""
        return {table: self.table(table).count() for table in ids}

    def states(self, ids: Iterable[str]) -> dict[str, str]:
        """Each table's metadata file: what a commit of Nessie says of a table."""
        newest = F.max_by("file", "timestamp").alias("file")
        frames = [
            self.spark.table(f"{self.catalog.name(table)}.metadata_log_entries").agg(F.lit(table).alias("id"), newest) for table in ids
        ]
        return {row["id"]: row["file"] for row in reduce(DataFrame.unionAll, frames).collect()} if frames else {}

    def close(self) -> None:
        """End the session. A server would keep what was cached, though nobody could use it; one that is gone keeps nothing."""
        with suppress(PySparkException):
            self.spark.catalog.clearCache()
        self.spark.stop()

    def contents(self, frames: dict[str, DataFrame]) -> dict[str, str]:
        """The order-free content of each frame, in one job."""
        if not frames:
            return {}
        answers = reduce(DataFrame.unionAll, [content(frame).withColumn("name", F.lit(name)) for name, frame in frames.items()])
        return {row["name"]: f"{row['rows']}:{row['total'] or 0}" for row in answers.collect()}


def content(frame: DataFrame) -> DataFrame:
    """Rows and sum of row hashes: equal for equal rows in any order, and duplicates count."""
    # xxhash64 passes over nulls, so (null, 'a') and ('a', null) need the second column to differ.
    parts = [part for name in sorted(frame.columns) for part in (F.col(name), F.col(name).isNull())]
    return frame.select(F.xxhash64(*parts).cast("decimal(38,0)").alias("hash")).agg(
        F.count("*").alias("rows"), F.sum("hash").alias("total")
    )


def open_lake(settings: Settings, ref: str, app: str) -> Lake:
    """A session of the Connect server that SPARK_REMOTE names, or else of this process's own Spark."""
    catalog = Nessie(settings, ref)
    conf = {**SESSION, **catalog.conf()}
    return Lake(SparkSession.builder.appName(app).config(map=conf).getOrCreate(), catalog)
