"""One local Spark for all tests, and for each test a lake of its own in a temporary folder."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

from spark_apps.engine import CATALOG, SESSION
from tests.spark_apps.little_lake import LittleLake

JARS = Path(__file__).parents[2] / ".jars" / "spark"
NUMBERS = count(1)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    catalog = f"spark.sql.catalog.{CATALOG}"
    conf = SparkConf(loadDefaults=False).setMaster("local[2]").setAppName("tests")
    ours = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraClassPath": f"{JARS}/*",
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "hadoop",
        f"{catalog}.warehouse": str(tmp_path_factory.mktemp("warehouse")),
        f"{catalog}.cache-enabled": "false",
    }
    # Ten rows need no compiled plan; without it a query is several times faster here.
    small = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    for key, value in {**SESSION, **ours, **small}.items():
        conf.set(key, value)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def new_lake(spark: SparkSession, tmp_path: Path) -> Callable[[], LittleLake]:
    """Makes empty lakes: every table of the contract, nothing in it, nothing published."""
    return lambda: LittleLake(spark, next(NUMBERS), tmp_path)


@pytest.fixture
def lake(new_lake: Callable[[], LittleLake]) -> LittleLake:
    return new_lake()


def pytest_configure(config: pytest.Config) -> None:
    """PySpark leaves the sockets of collect() to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
    config.addinivalue_line("filterwarnings", r"ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
