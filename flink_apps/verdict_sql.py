"""What makes a field of a click valid, as SQL over its text. Pure. Each stream asks this of the text as it has it.

`text` is the SQL of the field's text: NULL where the event has no such field.
"""

from datetime import UTC, date, datetime, time

from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Field
from clickstream_contracts.settings import Settings

END_OF_TIME_MS = 253_402_300_799_999  # 9999-12-31, the last day that every reader of the lake can show

# Anything but a short plain number. It is asked before a number is made of the text: 1e999999999 as a decimal, or a
# million digits, would keep the job busy for minutes.
NO_NUMBER = "[^0-9.eE+-]|[eE].*[0-9]{3}"
NUMBER_LENGTH = 40


def column(field: Field) -> str:
    """The field's column, quoted."""
    return f"`{field.name}`"


def number(text: str) -> str:
    """A whole number, NULL where the text is none."""
    return f"TRY_CAST({text} AS BIGINT)"


def _is_number(field: Field) -> bool:
    return field.type == "double" or field.type.startswith("decimal")


def typed(field: Field, text: str) -> str:
    """The column's value, NULL where the text is of another type."""
    if field.type == "timestamptz":
        in_range = f"{number(text)} BETWEEN 0 AND {END_OF_TIME_MS}"
        return f"CASE WHEN {in_range} THEN CAST(TO_TIMESTAMP_LTZ({number(text)}, 3) AS {flink_type(field)}) END"
    if _is_number(field):
        plain = f"CHAR_LENGTH({text}) <= {NUMBER_LENGTH} AND NOT REGEXP({text}, '{NO_NUMBER}')"
        return f"CASE WHEN {plain} THEN TRY_CAST({text} AS {flink_type(field)}) END"
    return text if field.type == "string" else f"TRY_CAST({text} AS {flink_type(field)})"


def missing(field: Field, text: str) -> str:
    """Whether a required field is not there."""
    return f"{text} IS NULL" + (f" OR {text} = ''" if field.type == "string" else "")


def wrong_type(field: Field, text: str) -> str:
    """Whether the text is of another type."""
    if _is_number(field):
        return f"{text} IS NOT NULL AND {typed(field, text)} IS NULL"
    # TRY_CAST turns '1.5' into 1; written back it is another text
    type_ = "BIGINT" if field.type == "timestamptz" else flink_type(field)
    cast = f"TRY_CAST({text} AS {type_})"
    return f"{text} IS NOT NULL AND ({cast} IS NULL OR CAST({cast} AS STRING) <> {text})"


def limits(field: Field, text: str) -> list[tuple[str, str]]:
    """Conditions that break the field's limits, each with the words for it."""
    found = []
    if field.choices:
        found.append((f"{text} NOT IN ({', '.join(repr(c) for c in field.choices)})", "is none of its choices"))
    if field.max_length is not None:
        found.append((f"CHAR_LENGTH({text}) > {field.max_length}", f"is longer than {field.max_length}"))
    value = typed(field, text)
    if field.minimum is not None and field.maximum is not None:
        found.append((f"{value} NOT BETWEEN {field.minimum} AND {field.maximum}", f"is not from {field.minimum} to {field.maximum}"))
    elif field.minimum is not None:
        found.append((f"{value} < {field.minimum}", f"is below {field.minimum}"))
    return found


def out_of_range(milliseconds: str, arrived: str, settings: Settings) -> str:
    """Whether a moment is too far from the record's arrival."""
    earliest = datetime.combine(date.fromisoformat(settings.event_earliest), time(), UTC)
    return (
        f"{milliseconds} NOT BETWEEN {int(earliest.timestamp() * 1000)} AND {END_OF_TIME_MS}"
        f" OR TO_TIMESTAMP_LTZ({milliseconds}, 3) > TIMESTAMPADD(MINUTE, {settings.event_future_minutes}, {arrived})"
    )
