"""The stream fraud_to_lake: scores and alerts of fraud_scores from their topics into the lake, exactly once."""

from pathlib import Path
from typing import Any

from clickstream_contracts import names, schema
from clickstream_contracts.render import flink_type
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
    """Returns the values of one topic and its table for pipeline.sql."""
    contract = schema.tables()[table]
    return {
        "name": name,
        "topic": contract.topic,
        "options": connectors.kafka_source(contract.topic, names.FRAUD_TO_LAKE_JOB),
        "startup": connectors.startup(name),
        "lake_table": lake.table_name(table),
        "fields": contract.fields,
        "types": {field.name: flink_type(field) for field in contract.fields},
        # The id of an event or of an alert: every record that can be read has it.
        "record_id": next(field.name for field in contract.fields if field.name.endswith("_id")),
    }


STREAM = Stream(
    names.FRAUD_TO_LAKE_JOB,
    render,
    topics={"scores": names.FRAUD_SCORES_TOPIC, "alerts": names.FRAUD_ALERTS_TOPIC},
    checkpoint_factor=3,
)
