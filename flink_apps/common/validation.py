"""SQL conditions that decide whether the fields of a click are valid. Needs no engine.

Both streams that validate clicks use them. Each gives the SQL expression of every field as text.
"""

from dataclasses import dataclass

from clickstream_contracts.event_limits import MAX_TIMESTAMP_MS, NOISE_DECIMALS, decimal_size, earliest_ms, more_decimals
from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Field
from clickstream_contracts.settings import Settings
from flink_apps.common.sql import literal

# Matches texts that are no plain number. They are excluded before the cast: to parse 1e999999999 or a million digits as a
# decimal takes minutes.
NOT_A_NUMBER = "[^0-9.eE+-]|[eE].*[0-9]{3}"
MAX_NUMBER_LENGTH = 40
# Only such a text can have more than two decimals; most prices are not parsed a second time.
LONG_FRACTION = "[.][0-9]{3}|[eE]"


@dataclass(frozen=True)
class Limit:
    """A limit of a field: the condition under which a value breaks it, and the message for the quarantine."""

    condition: str
    message: str


@dataclass(frozen=True)
class FieldText:
    """A field of an event whose value is still text. `text` is the SQL of the text, NULL where the event has no such field."""

    field: Field
    text: str

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def type(self) -> str:
        return self.field.type

    @property
    def required(self) -> bool:
        return self.field.required

    @property
    def value(self) -> str:
        """The typed value, NULL where the text is of another type."""
        type_ = flink_type(self.field)
        if self.type == "string":
            return self.text
        if self.type == "timestamptz":
            number = bigint(self.text)
            return f"CASE WHEN {number} BETWEEN 0 AND {MAX_TIMESTAMP_MS} THEN CAST(TO_TIMESTAMP_LTZ({number}, 3) AS {type_}) END"
        if self._is_fraction:
            return self._plain_number(type_)
        return f"TRY_CAST({self.text} AS {type_})"

    @property
    def is_missing(self) -> str:
        """Condition: the field is absent, null or an empty string."""
        if self.type == "string":
            return f"{self.text} IS NULL OR {self.text} = ''"
        return f"{self.text} IS NULL"

    @property
    def has_wrong_type(self) -> str:
        """Condition: the text is no value of the field's type."""
        if self._is_fraction:
            return f"{self.text} IS NOT NULL AND {self.value} IS NULL"
        type_ = "BIGINT" if self.type == "timestamptz" else flink_type(self.field)
        cast = f"TRY_CAST({self.text} AS {type_})"
        # TRY_CAST turns '1.5' into 1: the number written back must be the same text.
        return f"{self.text} IS NOT NULL AND ({cast} IS NULL OR CAST({cast} AS STRING) <> {self.text})"

    @property
    def limits(self) -> list[Limit]:
        """The limits of the contract, in the order in which they are checked."""
        limits = []
        if self.field.choices:
            limits.append(Limit(f"{self.text} NOT IN ({literal(self.field.choices)})", "is none of its choices"))
        if self.field.max_length is not None:
            limits.append(Limit(f"CHAR_LENGTH({self.text}) > {self.field.max_length}", f"is longer than {self.field.max_length}"))
        lowest, highest = self.field.minimum, self.field.maximum
        if lowest is not None and highest is not None:
            limits.append(Limit(f"{self.value} NOT BETWEEN {lowest} AND {highest}", f"is not from {lowest} to {highest}"))
        elif lowest is not None:
            limits.append(Limit(f"{self.value} < {lowest}", f"is below {lowest}"))
        size = decimal_size(self.type)
        if size is not None:
            with_noise = self._plain_number(f"DECIMAL({sum(size) + NOISE_DECIMALS},{size[1] + NOISE_DECIMALS})")
            limits.append(Limit(f"REGEXP({self.text}, '{LONG_FRACTION}') AND {with_noise} <> {self.value}", more_decimals(size[1])))
        return limits

    def _plain_number(self, type_: str) -> str:
        """The text as a number of an SQL type, NULL where it is none."""
        plain = f"CHAR_LENGTH({self.text}) <= {MAX_NUMBER_LENGTH} AND NOT REGEXP({self.text}, '{NOT_A_NUMBER}')"
        return f"CASE WHEN {plain} THEN TRY_CAST({self.text} AS {type_}) END"

    @property
    def _is_fraction(self) -> bool:
        return self.type == "double" or self.type.startswith("decimal")


def bigint(text: str) -> str:
    """Returns the SQL of the whole number that a text holds, NULL where it holds none."""
    return f"TRY_CAST({text} AS BIGINT)"


def out_of_range(milliseconds: str, arrived: str, settings: Settings) -> str:
    """Returns the condition that a time is before CLICKSTREAM_EVENT_EARLIEST or too far after the record's arrival.

    milliseconds: SQL of the time in milliseconds since 1970; arrived: SQL of the arrival as TIMESTAMP_LTZ.
    """
    return (
        f"{milliseconds} NOT BETWEEN {earliest_ms(settings)} AND {MAX_TIMESTAMP_MS}"
        f" OR TO_TIMESTAMP_LTZ({milliseconds}, 3) > TIMESTAMPADD(MINUTE, {settings.event_future_minutes}, {arrived})"
    )
