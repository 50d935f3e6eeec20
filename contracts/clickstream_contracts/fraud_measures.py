"""The measure language of the fraud rules: an aggregate over the earlier events of the same entity, as data.

A measure in rules/fraud.yaml is a mapping of one function to the value that it reads, with an optional condition:

    events:    {count: event_id}
    cards:     {count_distinct: payment_token, where: "event_type IN ('purchase', 'payment_failed')"}
    came_from: {previous: latitude}

The window of an event holds the events of its entity from `window` before its time up to its own time, itself and all
events of the same millisecond included. Flink (stream) and Spark (nightly run) compute the same numbers:

| function         | result                                                                       | without any value |
|------------------|------------------------------------------------------------------------------|-------------------|
| `count`          | number of events whose value is not null                                     | 0                 |
| `count_distinct` | number of different values that are not null                                 | 0                 |
| `sum`            | sum of the values, each rounded to 4 decimals, so that it is exact           | null              |
| `min`, `max`     | smallest, largest value that is not null                                     | null              |
| `first`, `last`  | value of the first, last event that has one, in order of time                | null              |
| `previous`       | value of the last event before this one that has one, in order of time       | null              |
| `jump`           | a row of `km`, `minutes` and `own_km`, see below                             | nulls             |

`{jump: 300}` is the fastest journey of at least 300 km from an earlier place of another device to the event's place: its length, and
the minutes since the last event there. `own_km` is the longest distance between the event's place and another place of its own
device. Places are cells of 0.1 degrees; the session stands for a device that has no id. Flink keeps 100 places per entity.

Events of the same millisecond are in order of MD5(event_id): arbitrary, but the same in both engines and in each run.
`where` is an SQL condition on one event; events for which it is not true are left out. Conditions and expressions are SQL
that both engines understand; a cast is written TRY_CAST, since CAST stops the job at a value that does not fit.
In Flink `previous` sorts the values of the window for each event: use it with windows of at most some hundred events.
"""

from collections.abc import Mapping
from dataclasses import dataclass

AGGREGATES = ("count", "count_distinct", "sum", "min", "max")
# Functions that depend on the order of the events. They read a plain column: its type must be known to carry the value.
ORDERED = ("first", "last", "previous")
FUNCTIONS = (*AGGREGATES, *ORDERED)
JUMP = "jump"

# Columns of one event in the queries that evaluate the rules, with their SQL type, which is the same in Flink and Spark.
# `event_ms` is event_time in milliseconds since 1970 (UTC); `amount` is price x quantity of the event in its currency,
# `reference_amount` the same in the currency of the rules' limits.
EVENT_COLUMNS = {
    "event_id": "STRING",
    "event_type": "STRING",
    "event_ms": "BIGINT",
    "user_id": "STRING",
    "session_id": "STRING",
    "device_id": "STRING",
    "order_id": "STRING",
    "payment_token": "STRING",
    "coupon": "STRING",
    "amount": "DOUBLE",
    "reference_amount": "DOUBLE",
    "ip_hash": "STRING",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
}

# Columns that identify who or what caused an event: the entities of the patterns.
ENTITY_COLUMNS = ("user_id", "session_id", "device_id", "order_id", "payment_token", "ip_hash")


class RulesError(ValueError):
    """The fraud rules cannot be used; the text names the file, the pattern, the value and the fix."""


@dataclass(frozen=True)
class Measure:
    """An aggregate over the window: `function` of `value`, over the events for which `where` is true ('' for all).

    `value` is a column of EVENT_COLUMNS or, for the functions of AGGREGATES, an SQL expression. Both texts are Jinja
    templates that may name the pattern's limits, e.g. `{{ limits.amount }}`.
    """

    function: str
    value: str
    where: str = ""


def parse_measure(place: str, entry: object) -> Measure:
    """Reads one measure of the YAML file. `place` begins the message of a RulesError."""
    if not isinstance(entry, Mapping):
        raise RulesError(f"{place}: {entry!r} is no measure; write it like {{count: event_id}}")
    functions = [key for key in entry if key != "where"]
    if len(functions) != 1 or functions[0] not in (*FUNCTIONS, JUMP):
        raise RulesError(f"{place}: {', '.join(map(repr, functions)) or 'no function'}; use exactly one of {', '.join((*FUNCTIONS, JUMP))}")
    function = functions[0]
    value, where = entry[function], entry.get("where", "")
    if function == JUMP and isinstance(value, int | float):
        value = f"{value:g}"
    if not isinstance(value, str) or not value:
        raise RulesError(f"{place}: {function} of {value!r}; give a column or an SQL expression")
    if not isinstance(where, str):
        raise RulesError(f"{place}: where is {where!r}; give an SQL condition")
    if function in ORDERED and value not in EVENT_COLUMNS:
        raise RulesError(f"{place}: {function} of {value!r}; it takes one of the columns {', '.join(EVENT_COLUMNS)}")
    return Measure(function, value, where)
