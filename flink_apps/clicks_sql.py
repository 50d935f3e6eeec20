"""Renders the SQL of clicks_to_lake from the contract. Pure: needs no engine, so any process can compute the definition."""

from clickstream_contracts import names, schema
from clickstream_contracts.schema import Contract, Field
from clickstream_contracts.settings import Settings
from flink_apps import verdict_sql
from flink_apps.template import SQL, filled, kafka_records, lake_table


def render(settings: Settings) -> str:
    """The job's statements; addresses and credentials stay `${...}`, so the text can be kept and compared."""
    event = schema.event()
    parts = {
        "records": kafka_records("records", names.CLICKS_TOPIC, names.CLICKS_TO_LAKE_GROUP, "startup"),
        "max_bytes": str(settings.event_max_bytes),
        "names": ",".join(f.name for f in event.fields),
        "columns": ",\n".join(f"  {verdict_sql.typed(f, _text(f))} AS {verdict_sql.column(f)}" for f in event.fields),
        "problems": "\n".join(f"    {line}" for line in _problems(event, settings)),
        "clicks": lake_table("raw.clicks"),
        "quarantine": lake_table("raw.quarantine"),
        "click_names": ", ".join(verdict_sql.column(f) for f in event.fields),
    }
    return filled(SQL / "clicks_to_lake.sql", parts)


def _text(field: Field) -> str:
    # by place: a look-up by name in a map of Flink walks through all its keys
    return f"fields[{schema.event().fields.index(field) + 1}]"


def _problems(event: Contract, settings: Settings) -> list[str]:
    """The WHEN lines of the verdict, in the order in which they win."""
    version, time_field = event.field("schema_version"), event.field("event_time")
    too_far = verdict_sql.out_of_range(verdict_sql.number(_text(time_field)), "ingested_at", settings)
    return [
        f"WHEN size > {settings.event_max_bytes} THEN CONCAT('too_large|', CAST(size AS STRING), ' bytes')",
        "WHEN payload IS NULL THEN 'not_json|no value'",
        "WHEN fields IS NULL THEN 'not_json|not one JSON object in UTF-8 with unique names'",
        _when(f"{_text(version)} <> '{names.EVENT_VERSION}'", "unknown_version", version, f"is not {names.EVENT_VERSION}"),
        *(f"WHEN {verdict_sql.missing(f, _text(f))} THEN 'missing_field|{f.name}'" for f in event.fields if f.required),
        "WHEN nested IS NOT NULL THEN CONCAT('bad_type|', nested, ': an object or array is no single value')",
        *(_when(verdict_sql.wrong_type(f, _text(f)), "bad_type", f, f"is no {f.type}") for f in event.fields if f.type != "string"),
        *(_when(condition, "bad_value", f, why) for f in event.fields for condition, why in verdict_sql.limits(f, _text(f))),
        _when(too_far, "time_out_of_range", time_field, "is too far from its arrival"),
    ]


def _when(condition: str, reason: str, field: Field, why: str) -> str:
    return f"WHEN {condition} THEN CONCAT('{reason}|{field.name}: ''', SUBSTRING({_text(field)} FROM 1 FOR 80), ''' {why}')"
