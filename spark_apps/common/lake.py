"""Reads and writes the lake's Iceberg tables on the Nessie branch of one run."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, Protocol

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickstream_contracts import lake_clients, names
from clickstream_contracts.schema import tables
from clickstream_contracts.settings import Settings
from spark_apps.common import sql
from spark_apps.common.session import CATALOG, TIME_ZONE, open_session

RECREATIONS = "landing.topic_recreations"
CONTINUED_OFFSETS = Path(__file__).with_name("continued_offsets.sql")
FILES_SQL = Path(__file__).with_name("files.sql")


class Catalog(Protocol):
    """The catalog of the tables. Apps use only these methods, so a test can pass another catalog."""

    def conf(self) -> dict[str, str]:
        """Returns the Spark configuration of the catalog."""

    def name(self, table: str) -> str:
        """Returns the name in Spark SQL of a table on the run's branch."""

    def published(self, table: str) -> str:
        """Returns the name in Spark SQL of a table on main."""

    def files(self, table: str) -> str:
        """Returns the name in Spark SQL of Iceberg's metadata of the table's data files on the run's branch."""

    def published_files(self, table: str) -> str:
        """Returns the name in Spark SQL of Iceberg's metadata of the table's data files on main."""

    def file_io(self) -> dict[str, Any]:
        """Returns the arguments of the `pyarrow.fs.S3FileSystem` that holds the receipts."""


@dataclass(frozen=True)
class NessieCatalog:
    """Nessie's Iceberg REST catalog at one reference: a branch, a tag or `branch@hash`."""

    settings: Settings
    ref: str

    def conf(self) -> dict[str, str]:
        options = {
            "type": "rest",
            # On a branch, a cached table would hide what another task of the run has just written. A commit never changes.
            "cache-enabled": "true" if "@" in self.ref else "false",
            **lake_clients.iceberg_java(self.settings, self.ref),
        }
        prefix = f"spark.sql.catalog.{CATALOG}"
        return {prefix: "org.apache.iceberg.spark.SparkCatalog", **{f"{prefix}.{key}": value for key, value in options.items()}}

    def name(self, table: str) -> str:
        return quoted(*table.split("."))

    def published(self, table: str) -> str:
        # Nessie reads `table@branch` at that branch.
        namespace, name = table.split(".")
        return quoted(namespace, f"{name}@{names.MAIN}")

    def files(self, table: str) -> str:
        return f"{self.name(table)}.files"

    def published_files(self, table: str) -> str:
        return f"{self.published(table)}.files"

    def file_io(self) -> dict[str, Any]:
        return lake_clients.pyarrow(self.settings)


def quoted(*parts: str) -> str:
    """Returns a quoted name in the catalog: `@` is not allowed in an unquoted one, and `raw` is a reserved word in other engines."""
    return ".".join([CATALOG, *(f"`{part}`" for part in parts)])


class Lake:
    """The tables of one run, with the queries over them."""

    def __init__(self, spark: SparkSession, catalog: Catalog) -> None:
        self.spark = spark
        self.catalog = catalog

    @property
    def time_zone(self) -> str:
        """The zone of the shop's days."""
        return self.spark.conf.get(TIME_ZONE) or ""

    def properties(self, name: str) -> dict[str, str]:
        """Returns the properties of a table by its name in Spark SQL."""
        return {row["key"]: row["value"] for row in self.spark.sql(f"SHOW TBLPROPERTIES {name}").collect()}

    def sql(self, path: Path, **values: Any) -> DataFrame:
        """Returns the result of an .sql file, rendered with `values` (see spark_apps.common.sql)."""
        return self.spark.sql(sql.render(path, self._source, self.catalog.published, values))

    def _source(self, table: str) -> str:
        """Returns the name of a table in Spark SQL; of a table of the topic clicks.v1 that was created again, a query over it."""
        name = self.catalog.name(table)
        if tables()[table].topic != names.CLICKS_TOPIC or not self._topic_recreations:
            return name
        return sql.render(
            CONTINUED_OFFSETS, lambda _: name, self.catalog.published, {"recreations": self._topic_recreations, "name": table}
        )

    @cached_property
    def _topic_recreations(self) -> list[tuple[int, int, int]]:
        """The partition, the time in microseconds since 1970 and the base of each recreation of the topic, the newest first."""
        rows = self.table(RECREATIONS).selectExpr("kafka_partition", "unix_micros(started_at) AS started_at", "offset_base").distinct()
        return sorted((tuple(row) for row in rows.collect()), key=lambda recreation: recreation[1:], reverse=True)

    def view(self, path: Path, **values: Any) -> DataFrame:
        """Returns the result of an .sql file and registers it as a temporary view with the file's name."""
        rows = self.sql(path, **values)
        rows.createOrReplaceTempView(path.stem)
        return rows

    def column(self, path: Path, **values: Any) -> list[Any]:
        """Returns the first column of a query's result, sorted, without nulls."""
        return sorted(row[0] for row in self.sql(path, **values).collect() if row[0] is not None)

    def replace(self, table: str, rows: DataFrame, where: Column | None = None) -> None:
        """Replace the table's rows that match `where`, or all rows without it, by `rows` in one commit."""
        columns = [field.name for field in tables()[table].fields]
        # Not a dynamic partition overwrite: that would keep the old rows of a partition for which there are no new ones.
        rows.select(*columns).writeTo(self.catalog.name(table)).overwrite(F.lit(True) if where is None else where)

    def refresh(self, table: str, rows: DataFrame) -> tuple[str, bool]:
        """Replace the whole table by `rows` unless the content is equal; returns the content hash and whether it was written."""
        rows.cache()
        contents = self.contents({"new": rows, "old": self.table(table).select(*rows.columns)})
        changed = contents["new"] != contents["old"]
        if changed:
            self.replace(table, rows)
        return contents["new"], changed

    def table(self, table: str) -> DataFrame:
        """Returns a table of the run's branch."""
        return self.spark.table(self.catalog.name(table))

    def files(self, table: str) -> tuple[DataFrame, DataFrame]:
        """Returns Iceberg's metadata of a table's data files: of the run's branch and of main."""
        on_branch, on_main = (self.sql(FILES_SQL, files=files(table)) for files in (self.catalog.files, self.catalog.published_files))
        return on_branch, on_main

    def row_counts(self, table_ids: Iterable[str]) -> dict[str, int]:
        """Returns the number of rows of each table; Iceberg reads them from its metadata."""
        return {table: self.table(table).count() for table in table_ids}

    def metadata_files(self, table_ids: Iterable[str]) -> dict[str, str]:
        """Returns each table's newest metadata file, which identifies the table's state in a Nessie commit."""
        newest = F.max_by("file", "timestamp").alias("file")
        frames = [
            self.spark.table(f"{self.catalog.name(table)}.metadata_log_entries").agg(F.lit(table).alias("table_id"), newest)
            for table in table_ids
        ]
        if not frames:
            return {}
        return {row["table_id"]: row["file"] for row in reduce(DataFrame.unionAll, frames).collect()}

    def contents(self, frames: dict[str, DataFrame]) -> dict[str, str]:
        """Returns `<rows>:<sum of row hashes>` of each frame, in one Spark job."""
        if not frames:
            return {}
        hashed = [content(frame).withColumn("name", F.lit(name)) for name, frame in frames.items()]
        return {row["name"]: f"{row['rows']}:{row['total'] or 0}" for row in reduce(DataFrame.unionAll, hashed).collect()}

    def close(self) -> None:
        """End the session."""
        # A Connect server keeps the cached data of a closed session. The call fails if the server is gone; so is its cache then.
        with suppress(PySparkException):
            self.spark.catalog.clearCache()
        self.spark.stop()


def content(frame: DataFrame) -> DataFrame:
    """Returns the number of rows and the sum of their hashes: equal for equal rows in any order, and duplicates count."""
    # xxhash64 skips nulls; the isNull columns make (null, 'a') and ('a', null) differ.
    parts = [part for name in sorted(frame.columns) for part in (F.col(name), F.col(name).isNull())]
    return frame.select(F.xxhash64(*parts).cast("decimal(38,0)").alias("hash")).agg(
        F.count("*").alias("rows"), F.sum("hash").alias("total")
    )


def open_lake(settings: Settings, ref: str, app: str) -> Lake:
    """Open a session whose catalog reads and writes the Nessie reference `ref`."""
    catalog = NessieCatalog(settings, ref)
    return Lake(open_session(app, settings.time_zone, catalog.conf()), catalog)
