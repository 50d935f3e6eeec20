"""Renders the SQL of clicks_to_lake from the contract. Pure: needs no engine, so any process can compute the definition."""

from datetime import UTC, date, datetime, time

from clickstream_contracts import names, schema
from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Contract, Field
from clickstream_contracts.settings import Settings
from flink_apps.template import SQL, filled, kafka_records, lake_table

END_OF_TIME_MS = 253_402_300_799_999  # 9999-12-31, the last day that every reader of the lake can show

# Anything but a short plain number. It is asked before a number is made of the text: 1e999999999 as a decimal, or a
# million digits, would keep the job busy for minutes.
NO_NUMBER = "[^0-9.eE+-]|[eE].*[0-9]{3}"
NUMBER_LENGTH = 40


def render(settings: Settings) -> str:
    """The job's statements; addresses and credentials stay `${...}`, so the text can be kept and compared."""
    event = schema.event()
    parts = {
        "records": kafka_records("records", names.CLICKS_TOPIC, names.LAKE_GROUP, "startup"),
        "max_bytes": str(settings.event_max_bytes),
        "names": ",".join(f.name for f in event.fields),
        "columns": ",\n".join(f"  {_typed(f)} AS {_name(f)}" for f in event.fields),
        "problems": "\n".join(f"    {line}" for line in _problems(event, settings)),
        "clicks": lake_table("raw.clicks"),
        "quarantine": lake_table("raw.quarantine"),
        "click_names": ", ".join(_name(f) for f in event.fields),
    }
    return filled(SQL / "clicks_to_lake.sql", parts)


def _name(field: Field) -> str:
    return f"`{field.name}`"


def _text(field: Field) -> str:
    # by place: a look-up by name in a map of Flink walks through all its keys
    return f"fields[{schema.event().fields.index(field) + 1}]"


def _number(field: Field) -> str:
    return f"TRY_CAST({_text(field)} AS BIGINT)"


def _is_number(field: Field) -> bool:
    return field.type == "double" or field.type.startswith("decimal")


def _typed(field: Field) -> str:
    """The column's value, NULL where the text is of another type."""
    if field.type == "timestamptz":
        in_range = f"{_number(field)} BETWEEN 0 AND {END_OF_TIME_MS}"
        return f"CASE WHEN {in_range} THEN CAST(TO_TIMESTAMP_LTZ({_number(field)}, 3) AS {flink_type(field)}) END"
    if _is_number(field):
        plain = f"CHAR_LENGTH({_text(field)}) <= {NUMBER_LENGTH} AND NOT REGEXP({_text(field)}, '{NO_NUMBER}')"
        return f"CASE WHEN {plain} THEN TRY_CAST({_text(field)} AS {flink_type(field)}) END"
    return _text(field) if field.type == "string" else f"TRY_CAST({_text(field)} AS {flink_type(field)})"


def _problems(event: Contract, settings: Settings) -> list[str]:
    """The WHEN lines of the verdict, in the order in which they win."""
    version = event.field("schema_version")
    lines = [
        f"WHEN size > {settings.event_max_bytes} THEN CONCAT('too_large|', CAST(size AS STRING), ' bytes')",
        "WHEN payload IS NULL THEN 'not_json|no value'",
        "WHEN fields IS NULL THEN 'not_json|not one JSON object in UTF-8 with unique names'",
        _when(f"{_text(version)} <> '{names.EVENT_VERSION}'", "unknown_version", version, f"is not {names.EVENT_VERSION}"),
    ]
    lines += [f"WHEN {_missing(f)} THEN 'missing_field|{f.name}'" for f in event.fields if f.required]
    lines += ["WHEN nested IS NOT NULL THEN CONCAT('bad_type|', nested, ': an object or array is no single value')"]
    lines += [_when(_wrong_type(f), "bad_type", f, f"is no {f.type}") for f in event.fields if f.type != "string"]
    lines += [_when(condition, "bad_value", f, why) for f in event.fields for condition, why in _limits(f)]
    time_field = event.field("event_time")
    return [*lines, _when(_out_of_range(time_field, settings), "time_out_of_range", time_field, "is too far from its arrival")]


def _when(condition: str, reason: str, field: Field, why: str) -> str:
    return f"WHEN {condition} THEN CONCAT('{reason}|{field.name}: ''', SUBSTRING({_text(field)} FROM 1 FOR 80), ''' {why}')"


def _missing(field: Field) -> str:
    return f"{_text(field)} IS NULL" + (f" OR {_text(field)} = ''" if field.type == "string" else "")


def _wrong_type(field: Field) -> str:
    if _is_number(field):
        return f"{_text(field)} IS NOT NULL AND {_typed(field)} IS NULL"
    # TRY_CAST turns '1.5' into 1; written back it is another text
    type_ = "BIGINT" if field.type == "timestamptz" else flink_type(field)
    cast = f"TRY_CAST({_text(field)} AS {type_})"
    return f"{_text(field)} IS NOT NULL AND ({cast} IS NULL OR CAST({cast} AS STRING) <> {_text(field)})"


def _limits(field: Field) -> list[tuple[str, str]]:
    """Conditions that break the field's limits, each with the words for it."""
    found = []
    if field.choices:
        found.append((f"{_text(field)} NOT IN ({', '.join(repr(c) for c in field.choices)})", "is none of its choices"))
    if field.max_length is not None:
        found.append((f"CHAR_LENGTH({_text(field)}) > {field.max_length}", f"is longer than {field.max_length}"))
    if field.minimum is not None and field.maximum is not None:
        found.append(
            (f"{_typed(field)} NOT BETWEEN {field.minimum} AND {field.maximum}", f"is not from {field.minimum} to {field.maximum}")
        )
    elif field.minimum is not None:
        found.append((f"{_typed(field)} < {field.minimum}", f"is below {field.minimum}"))
    return found


def _out_of_range(field: Field, settings: Settings) -> str:
    earliest = datetime.combine(date.fromisoformat(settings.event_earliest), time(), UTC)
    return (
        f"{_number(field)} NOT BETWEEN {int(earliest.timestamp() * 1000)} AND {END_OF_TIME_MS}"
        f" OR TO_TIMESTAMP_LTZ({_number(field)}, 3) > TIMESTAMPADD(MINUTE, {settings.event_future_minutes}, ingested_at)"
    )
