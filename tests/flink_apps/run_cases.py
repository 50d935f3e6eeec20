"""Runs the statements of clicks_to_lake over the cases of cases.py, as one bounded job in a process of its own.

python -m tests.flink_apps.run_cases FOLDER     writes FOLDER/outcome.json
"""

import json
import re
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from clickstream_contracts import schema
from clickstream_contracts.render import flink_type
from clickstream_contracts.settings import Settings
from flink_apps.clicks_to_lake import pipeline
from flink_apps.common import session
from tests.flink_apps import cases
from tests.flink_apps.cases import Case

SETTINGS = Settings(checkpoint_seconds=1)
TABLES = ("raw.clicks", "raw.quarantine")


def main(folder: Path) -> None:
    """Process every case, whose offset is its position in cases.ALL, and write the rows of both tables."""
    options = session.job_options(SETTINGS, "test", "cases") | {
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/savepoints",
        "restart-strategy.type": "none",
        # A row larger than one batch would never be collected.
        "collect-sink.batch-size.max": "64mb",
    }
    tables = session.table_environment(options)
    create_lake(tables, folder)
    create_records(tables, cases.ALL, folder / "cases.json")
    text = re.sub(r"CREATE TEMPORARY TABLE records .*?;\n", "", pipeline.render(SETTINGS), flags=re.S)
    session.statement_set(tables, text, {}).execute().wait()
    outcome = {name: rows(tables, name) for name in TABLES}
    (folder / "outcome.json").write_text(json.dumps(outcome, default=as_text))


def create_lake(tables: Any, folder: Path) -> None:
    tables.execute_sql(f"CREATE CATALOG lake WITH ('type'='iceberg', 'catalog-type'='hadoop', 'warehouse'='file://{folder}')")
    tables.execute_sql("CREATE DATABASE lake.`raw`")
    for name in TABLES:
        contract = schema.tables()[name]
        columns = ", ".join(f"`{f.name}` {flink_type(f)}{' NOT NULL' if f.required else ''}" for f in contract.fields)
        tables.execute_sql(f"CREATE TABLE lake.`raw`.{contract.table} ({columns})")


def create_records(tables: Any, records: list[Case], file: Path) -> None:
    """Create the view `records` over the cases; the JSON lines hold the payload as base64, which keeps every byte."""
    payloads = [case.payload if case.payload is None else b64encode(case.payload).decode() for case in records]
    file.write_text("\n".join(json.dumps({"payload": payload, "n": n}) for n, payload in enumerate(payloads)))
    tables.execute_sql(
        "CREATE TEMPORARY TABLE numbered (payload BYTES, n BIGINT NOT NULL)"
        f" WITH ('connector'='filesystem', 'path'='file://{file}', 'format'='json')"
    )
    tables.execute_sql(
        "CREATE TEMPORARY VIEW records AS SELECT payload, 0 AS kafka_partition, n AS kafka_offset,"
        f" TO_TIMESTAMP_LTZ({cases.ARRIVAL_MS}, 3) AS ingested_at FROM numbered"
    )


def rows(tables: Any, name: str) -> list[dict[str, Any]]:
    columns = [f.name for f in schema.tables()[name].fields]
    selected = ", ".join(f"CAST(`{c}` AS STRING)" if c.endswith(("_time", "_at")) else f"`{c}`" for c in columns)
    namespace, table = name.split(".")
    # A bounded read of the committed rows.
    query = f"SELECT {selected} FROM lake.`{namespace}`.{table} /*+ OPTIONS('streaming'='false') */"
    with tables.execute_sql(query).collect() as result:
        return [dict(zip(columns, row, strict=True)) for row in result]


def as_text(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray) else str(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
