"""Computes every measure of tests/fraud_measures.py in one streaming job over a file, in a process of its own.

python -m tests.flink_apps.run_fraud_measures FOLDER     reads FOLDER/events.json, writes FOLDER/measures.json
"""

import json
import sys
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from clickstream_contracts.fraud_measures import EVENT_COLUMNS
from clickstream_contracts.fraud_sql import FLINK, pattern_sql
from tests import fraud_measures


def main(folder: Path) -> None:
    configuration = Configuration()
    for key, value in {"table.local-time-zone": "UTC", "parallelism.default": "1"}.items():
        configuration.set_string(key, value)
    tables = TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build())
    columns = ", ".join(f"`{name}` {type_}" for name, type_ in EVENT_COLUMNS.items())
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE events ({columns}, ts AS TO_TIMESTAMP_LTZ(event_ms, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)"
        f" WITH ('connector'='filesystem', 'path'='file://{folder}/events.json', 'format'='json')"
    )
    pattern = fraud_measures.pattern()
    sql = pattern_sql(pattern, FLINK)
    measures = ", ".join(f"{expression} AS {column}" for column, expression in sql.measures.items())
    query = (
        f"SELECT event_id, {measures} FROM events WINDOW w AS ("
        f"PARTITION BY COALESCE({sql.entity}, event_id) ORDER BY ts RANGE BETWEEN {sql.interval} PRECEDING AND CURRENT ROW)"
    )
    with tables.execute_sql(query).collect() as rows:
        values = {row[0]: dict(zip(pattern.measures, list(row)[1:], strict=True)) for row in rows}
    (folder / "measures.json").write_text(json.dumps(values))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
