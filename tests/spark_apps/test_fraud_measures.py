"""The measures of the fraud rules over random events: Spark gives the numbers of the evaluator in plain Python."""

import json
from pathlib import Path

from pyspark.sql import SparkSession

from clickstream_contracts.fraud_measures import EVENT_COLUMNS
from clickstream_contracts.fraud_sql import SPARK, pattern_sql
from tests import fraud_measures

EVENTS = 300


def test_spark_computes_what_the_measure_language_says(spark: SparkSession, tmp_path: Path) -> None:
    events = fraud_measures.random_events(seed=11, count=EVENTS)
    path = tmp_path / "events.json"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    columns = ", ".join(f"{name} {type_}" for name, type_ in EVENT_COLUMNS.items())
    spark.read.schema(columns).json(str(path)).selectExpr("*", "timestamp_millis(event_ms) AS ts").createOrReplaceTempView(
        "measured_events"
    )

    pattern = fraud_measures.pattern()
    sql = pattern_sql(pattern, SPARK)
    measures = ", ".join(f"{expression} AS {column}" for column, expression in sql.measures.items())
    rows = spark.sql(
        f"SELECT event_id, {measures} FROM measured_events WINDOW w AS ("
        f"PARTITION BY COALESCE({sql.entity}, event_id) ORDER BY ts RANGE BETWEEN {sql.interval} PRECEDING AND CURRENT ROW)"
    ).collect()

    computed = {row[0]: dict(zip(pattern.measures, row[1:], strict=True)) for row in rows}
    assert computed == fraud_measures.evaluate(events)
