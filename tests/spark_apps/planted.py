"""Changes tables of a lake for a test, in views: the tables stay as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_apps.common.lake import Catalog, Lake

VIEW_NUMBERS = count()
Change = Callable[[DataFrame], DataFrame]


@dataclass
class PlantedCatalog:
    """A catalog in which a view replaces one table."""

    base: Catalog
    table: str
    view: str

    def conf(self) -> dict[str, str]:
        return self.base.conf()

    def file_io(self) -> dict[str, str]:
        return self.base.file_io()

    def files(self, table: str) -> str:
        return self.base.files(table)

    def published_files(self, table: str) -> str:
        return self.base.published_files(table)

    def name(self, table: str) -> str:
        return self.view if table == self.table else self.base.name(table)

    def published(self, table: str) -> str:
        return self.base.published(table)


def plant(lake: Lake, table: str, change: Change) -> Lake:
    """Returns the lake with one table changed."""
    view = f"planted_{next(VIEW_NUMBERS)}"
    change(lake.table(table)).createOrReplaceTempView(view)
    return Lake(lake.spark, PlantedCatalog(lake.catalog, table, view))


def set_columns(**values: str) -> Change:
    """Set columns of every row to SQL expressions."""
    return lambda frame: frame.withColumns({name: F.expr(text) for name, text in values.items()})


def where(condition: str) -> Change:
    """Keep only some rows."""
    return lambda frame: frame.where(condition)


def doubled(frame: DataFrame) -> DataFrame:
    return frame.unionAll(frame)


def add_row(**values: str) -> Change:
    """Add a copy of the first row with some columns set to SQL expressions."""
    return lambda frame: frame.unionAll(
        frame.limit(1).withColumns({k: F.expr(v).cast(frame.schema[k].dataType) for k, v in values.items()})
    )
