"""Prints, as JSON, a hash of the content of each table at the newest features run's tag, and the sha256 of the model trained on it.

It is run as text in a tool's pod and as a program on a laptop, so it imports nothing of the tests.
Left out are columns that say when and where a record arrived, and tables that count what was late for a stream.
"""

import hashlib
import json

import pyarrow as pa

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.lake import catalog

NAMESPACES = ("curated", "marts", "features")
ARRIVAL = {"ingested_at", "kafka_partition", "kafka_offset", "scored_at"}
ARRIVAL_TABLES = {"curated.ingest_ledger", "marts.fraud_daily", "marts.late_fraud_scores"}


def content() -> dict[str, str]:
    """Returns the number of rows and the SHA-256 of the sorted rows of each table, and the model by the name ml.models."""
    settings = Settings.from_env()
    models = catalog.open_catalog(settings).load_table("ml.models").scan().to_arrow().to_pylist()
    model = min(models, key=lambda row: row["created_at"])
    tables = catalog.open_catalog(settings, model["data_tag"])
    names = [name for name in sorted(schema.tables()) if name.split(".")[0] in NAMESPACES and name not in ARRIVAL_TABLES]
    return {**{name: table_hash(tables.load_table(name).scan().to_arrow()) for name in names}, "ml.models": model["model_sha256"]}


def table_hash(rows: pa.Table) -> str:
    """Returns the number of rows and the beginning of the SHA-256 of the sorted rows."""
    columns = sorted(set(rows.column_names) - ARRIVAL)
    lines = sorted(str([row[column] for column in columns]) for row in rows.select(columns).to_pylist())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{len(lines)}:{digest[:16]}"


if __name__ == "__main__":
    print(json.dumps(content(), indent=1))
