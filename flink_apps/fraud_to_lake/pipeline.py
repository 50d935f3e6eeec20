"""The stream fraud_to_lake: scores and alerts of fraud_scores from their topics into the lake, exactly once."""

from pathlib import Path
from typing import Any

from clickstream_contracts import names, schema
from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Contract, Field
from clickstream_contracts.settings import Settings
from flink_apps.common import connectors, lake, sql
from flink_apps.common.cli import Stream

TEMPLATE = Path(__file__).with_name("pipeline.sql")
# By source table of the statements, the table of the lake that gets its records.
LAKE_TABLES = {"scores": "raw.fraud_scores", "alerts": "raw.fraud_alerts"}


def render(settings: Settings) -> str:
    """Returns the statements. What is known only at submission stays a Jinja expression, see common/connectors.py."""
    return sql.render(TEMPLATE, {"sources": [_source(name, table) for name, table in LAKE_TABLES.items()]})


def _source(name: str, table: str) -> dict[str, Any]:
    """The values of one topic and its table for pipeline.sql."""
    contract = schema.tables()[table]
    return {
        "name": name,
        "topic": contract.topic,
        "options": connectors.kafka_source(contract.topic, names.FRAUD_TO_LAKE_JOB),
        "startup": connectors.startup(name),
        "lake_table": lake.table_name(table),
        "columns": {field.name: _expression(contract, field) for field in contract.fields},
    }


def _expression(contract: Contract, field: Field) -> str:
    """The SQL that reads a column from `json_text`, or from the record's own columns."""
    if field.name.startswith("kafka_"):
        return field.name
    if field.name == "ingested_at":
        return f"CAST(ingested_at AS {flink_type(field)})"
    if field.name == "payload":
        # Kept only for a record that cannot be read, recognised by its missing id.
        identifier = next(other.name for other in contract.fields if other.name.endswith("_id"))
        return f"IF(JSON_VALUE(json_text, '$.{identifier}') IS NULL, payload, CAST(NULL AS BYTES))"
    if field.name == "parts":
        return "JSON_QUERY(json_text, '$.parts')"
    value = f"JSON_VALUE(json_text, '$.{field.name}')"
    if field.type == "timestamptz":
        return f"CAST(TO_TIMESTAMP_LTZ(TRY_CAST({value} AS BIGINT), 3) AS {flink_type(field)})"
    if field.type == "string":
        return value
    return f"TRY_CAST({value} AS {flink_type(field)})"


STREAM = Stream(
    names.FRAUD_TO_LAKE_JOB,
    render,
    topics={"scores": names.FRAUD_SCORES_TOPIC, "alerts": names.FRAUD_ALERTS_TOPIC},
    checkpoint_factor=3,
)
