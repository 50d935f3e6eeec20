"""Runs the statements of clicks_to_lake over given Kafka values, as one bounded job in a process of its own.

python -m tests.flink_apps.run_cases FOLDER                 over the cases of cases.py: the rows of both tables
python -m tests.flink_apps.run_cases FOLDER COUNT SEED      over COUNT random and mutated values: offsets and reasons

Both write FOLDER/outcome.json.
"""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyflink.java_gateway import get_gateway

from clickstream_contracts import schema
from clickstream_contracts.render import flink_type, iceberg_partition
from clickstream_contracts.settings import Settings
from flink_apps.clicks_to_lake import pipeline
from flink_apps.common import session
from tests.flink_apps import cases
from tests.flink_apps.random_records import random_records

Payloads = Iterable[bytes | None]
SETTINGS = Settings(checkpoint_seconds=1)
TABLES = ("raw.clicks", "raw.quarantine")


def main(folder: Path, random_count: int, seed: int) -> None:
    """Process all values, whose offset is their position, and write the rows of both tables."""
    if random_count:
        write(
            folder,
            run(folder, random_records(seed, random_count)),
            {"raw.clicks": ["kafka_offset"], "raw.quarantine": ["kafka_offset", "reason"]},
        )
    else:
        columns = {name: [f.name for f in schema.tables()[name].fields] for name in TABLES}
        write(folder, run(folder, [case.payload for case in cases.ALL]), columns)


def run(folder: Path, payloads: Payloads) -> Any:
    """Run the job to its end; returns its table environment. A restart is an error."""
    options = session.job_options(SETTINGS, "test", "cases") | {
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/savepoints",
        "restart-strategy.type": "none",
        # A row larger than one batch would never be collected.
        "collect-sink.batch-size.max": "64mb",
    }
    tables = session.table_environment(options)
    create_lake(tables, folder)
    create_records(tables, payloads, folder / "cases.json")
    text = re.sub(r"CREATE TEMPORARY TABLE records .*?;\n", "", pipeline.render(SETTINGS), flags=re.S)
    session.statement_set(tables, text, {}).execute().wait()
    return tables


def write(folder: Path, tables: Any, columns: dict[str, list[str]]) -> None:
    outcome = {name: rows(tables, name, names) for name, names in columns.items()}
    (folder / "outcome.json").write_text(json.dumps(outcome, default=as_text))


def create_lake(tables: Any, folder: Path) -> None:
    tables.execute_sql(f"CREATE CATALOG lake WITH ('type'='iceberg', 'catalog-type'='hadoop', 'warehouse'='file://{folder}')")
    tables.execute_sql("CREATE DATABASE lake.`raw`")
    for name in TABLES:
        contract = schema.tables()[name]
        columns = ", ".join(f"`{f.name}` {flink_type(f)}{' NOT NULL' if f.required else ''}" for f in contract.fields)
        tables.execute_sql(f"CREATE TABLE lake.`raw`.{contract.table} ({columns})")
        partition(folder / "raw" / contract.table, contract)


def partition(table: Path, contract: schema.Contract) -> None:
    """Give a table the contract's partitioning, whose transforms Flink SQL cannot create."""
    java = get_gateway().jvm
    spec = java.org.apache.iceberg.hadoop.HadoopTables(java.org.apache.hadoop.conf.Configuration()).load(str(table)).updateSpec()
    for column, transform, _ in iceberg_partition(contract):
        spec = spec.addField(getattr(java.org.apache.iceberg.expressions.Expressions, transform)(column))
    spec.commit()


def create_records(tables: Any, payloads: Payloads, file: Path) -> None:
    """Create the view `records` over the values; the JSON lines hold the payload as base64, which keeps every byte."""
    with file.open("w") as lines:
        for n, payload in enumerate(payloads):
            lines.write(json.dumps({"payload": None if payload is None else b64encode(payload).decode(), "n": n}) + "\n")
    tables.execute_sql(
        "CREATE TEMPORARY TABLE numbered (payload BYTES, n BIGINT NOT NULL)"
        f" WITH ('connector'='filesystem', 'path'='file://{file}', 'format'='json')"
    )
    tables.execute_sql(
        "CREATE TEMPORARY VIEW records AS SELECT payload, 0 AS kafka_partition, n AS kafka_offset,"
        f" TO_TIMESTAMP_LTZ({cases.ARRIVAL_MS}, 3) AS ingested_at FROM numbered"
    )


def rows(tables: Any, name: str, columns: list[str]) -> list[dict[str, Any]]:
    selected = ", ".join(f"CAST(`{c}` AS STRING)" if c.endswith(("_time", "_at")) else f"`{c}`" for c in columns)
    namespace, table = name.split(".")
    # A bounded read of the committed rows.
    query = f"SELECT {selected} FROM lake.`{namespace}`.{table} /*+ OPTIONS('streaming'='false') */"
    with tables.execute_sql(query).collect() as result:
        return [dict(zip(columns, row, strict=True)) for row in result]


def as_text(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray) else str(value)


if __name__ == "__main__":
    count, seed = (int(argument) for argument in sys.argv[2:] or ("0", "0"))
    main(Path(sys.argv[1]), count, seed)
