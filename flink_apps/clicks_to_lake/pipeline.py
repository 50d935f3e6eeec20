"""The stream clicks_to_lake: every record of clicks.v1 into raw.clicks or raw.quarantine, exactly once."""

from pathlib import Path

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from flink_apps.common import connectors, lake, sql
from flink_apps.common.cli import Stream
from flink_apps.common.connectors import Options
from flink_apps.common.validation import FieldText, bigint, out_of_range

TEMPLATE = Path(__file__).with_name("pipeline.sql")


def render(settings: Settings, records: Options | None = None) -> str:
    """Returns the statements. `records` replaces the options of the Kafka source.

    What is known only at submission stays a Jinja expression, see common/connectors.py.
    """
    # An array, read by position: Flink's look-up in a map compares all its keys.
    fields = [FieldText(field, f"fields[{position}]") for position, field in enumerate(schema.event().fields, 1)]
    by_name = {field.name: field for field in fields}
    event_time = by_name["event_time"]
    values = {
        "records": records or connectors.kafka_source(names.CLICKS_TOPIC, names.CLICKS_TO_LAKE_GROUP),
        "startup": connectors.startup("records"),
        "fields": fields,
        "max_bytes": settings.event_max_bytes,
        "schema_version": by_name["schema_version"],
        "event_version": names.EVENT_VERSION,
        "event_time": event_time,
        "event_time_out_of_range": out_of_range(bigint(event_time.text), "ingested_at", settings),
        "clicks_table": lake.table_name("raw.clicks"),
        "clicks_partitioning": ", ".join(schema.tables()["raw.clicks"].partitioning),
        "quarantine_table": lake.table_name("raw.quarantine"),
        "quarantine_partitioning": ", ".join(schema.tables()["raw.quarantine"].partitioning),
    }
    return sql.render(TEMPLATE, values)


STREAM = Stream(names.CLICKS_TO_LAKE_JOB, render, topics={"records": names.CLICKS_TOPIC}, java_functions=("JsonFields",))
