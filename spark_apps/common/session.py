"""Opens the Spark session of an app, with the configuration that all apps share."""

from collections.abc import Mapping

from pyspark.sql import SparkSession

# Name of the Iceberg catalog in Spark.
CATALOG = "nessie"
TIME_ZONE = "spark.sql.session.timeZone"
SESSION_CONF = {
    # Few partitions: a day of a shop is small, and adaptive execution (AQE) can merge partitions but not add any.
    "spark.sql.shuffle.partitions": "4",
    # An audit should return no row, so its LIMIT reads all partitions in one job instead of one, then four, then sixteen.
    "spark.sql.limit.initialNumPartitions": "1000",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    # No app adds classes; with isolation, the executors of a Connect server would ask the driver for each class they load.
    "spark.sql.artifact.isolation.enabled": "false",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "false",
}


def open_session(app: str, time_zone: str, catalog_conf: Mapping[str, str]) -> SparkSession:
    """Returns a session of the Spark Connect server in SPARK_REMOTE or, without it, of a Spark driver in this process.

    time_zone: that of the shop. `CAST(time AS DATE)` is the day of a time in it.
    """
    return SparkSession.builder.appName(app).config(map={**SESSION_CONF, TIME_ZONE: time_zone, **catalog_conf}).getOrCreate()
