"""Scores and alerts from their topics into the lake, exactly once. `python -m flink_apps.fraud_to_lake --help`."""

import sys

from clickstream_contracts import names, schema
from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Contract, Field
from clickstream_contracts.settings import Settings
from flink_apps.app import App
from flink_apps.template import SQL, filled, kafka_records, lake_table

READS = {"startup_scores": names.FRAUD_SCORES_TOPIC, "startup_alerts": names.FRAUD_ALERTS_TOPIC}


def render(settings: Settings) -> str:
    """The job's statements."""
    return filled(SQL / "fraud_to_lake.sql", _parts("scores", "raw.fraud_scores") | _parts("alerts", "raw.fraud_alerts"))


def _parts(name: str, table: str) -> dict[str, str]:
    """One topic and the table it goes to."""
    contract = schema.tables()[table]
    return {
        name: kafka_records(name, contract.topic, names.FRAUD_TO_LAKE_JOB, f"startup_{name}"),
        f"{name}_table": lake_table(table),
        f"{name}_columns": ",\n".join(f"  {_column(contract, f)} AS `{f.name}`" for f in contract.fields),
    }


def _column(contract: Contract, field: Field) -> str:
    if field.name.startswith("kafka_"):
        return field.name
    if field.name == "ingested_at":
        return f"CAST(ingested_at AS {flink_type(field)})"
    if field.name == "payload":
        identity = next(f.name for f in contract.fields if f.name.endswith("_id"))
        return f"IF(JSON_VALUE(js, '$.{identity}') IS NULL, payload, CAST(NULL AS BYTES))"
    if field.name == "parts":
        return "JSON_QUERY(js, '$.parts')"
    text = f"JSON_VALUE(js, '$.{field.name}')"
    if field.type == "timestamptz":
        return f"CAST(TO_TIMESTAMP_LTZ(TRY_CAST({text} AS BIGINT), 3) AS {flink_type(field)})"
    return text if field.type == "string" else f"TRY_CAST({text} AS {flink_type(field)})"


APP = App(names.FRAUD_TO_LAKE_JOB, render, reads=READS, pace=3)

if __name__ == "__main__":
    sys.exit(APP.main(sys.argv[1:]))
