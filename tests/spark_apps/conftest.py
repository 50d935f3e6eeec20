"""One local Spark session for all tests, and a lake of its own for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

from spark_apps.common.session import CATALOG, SESSION_CONF, TIME_ZONE
from tests.spark_apps.local_lake import LocalLake

JARS = Path(__file__).parents[2] / ".jars" / "spark"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    catalog = f"spark.sql.catalog.{CATALOG}"
    conf = SparkConf(loadDefaults=False).setMaster("local[2]").setAppName("tests")
    local_conf = {
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
    # For ten rows, compiling the plan (code generation) takes longer than running it.
    small_data_conf = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    for key, value in {**SESSION_CONF, TIME_ZONE: "UTC", **local_conf, **small_data_conf}.items():
        conf.set(key, value)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def new_lake(spark: SparkSession, tmp_path: Path) -> Callable[[], LocalLake]:
    """Returns a function that makes a lake with every table of the contract, empty and published."""
    return lambda: LocalLake(spark, tmp_path)


@pytest.fixture
def lake(new_lake: Callable[[], LocalLake]) -> LocalLake:
    return new_lake()


def pytest_configure(config: pytest.Config) -> None:
    """Ignore warnings about the sockets of collect(), which PySpark leaves to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
    config.addinivalue_line("filterwarnings", r"ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
