"""Renders the fraud rules as SQL, for Flink (the stream) and for Spark (the nightly run).

    pattern = pattern_sql(rules().patterns[0], FLINK)

gives the SQL expressions of one pattern. The templates of flink_apps and spark_apps put them into their queries, in this
nesting, since each level reads the columns of the level below (N is pattern.name):

    level 1   measures, from a source with the columns fraud_measures.EVENT_COLUMNS and `ts`, the time that orders events:
              SELECT *, {{ sql }} AS {{ column }} for column, sql in group.measures.items() FROM source
              WINDOW w AS (PARTITION BY COALESCE({{ group.entity }}, event_id) ORDER BY ts
                           RANGE BETWEEN {{ group.interval }} PRECEDING AND CURRENT ROW)
    level 2   derived values: {{ sql }} AS {{ column }} for column, sql in pattern.derived.items()
    level 3   N_part: CASE WHEN {{ pattern.entity }} IS NULL THEN 0, WHEN condition THEN score
              for condition, score in pattern.parts, ELSE 0 END
    level 4   N_reason: CASE WHEN N_part > 0 THEN {{ pattern.reason }} END

Patterns with the same entity and window share one window, and so one exchange and one state of the stream: see PatternGroup.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import groupby

from clickstream_contracts.fraud_measures import EVENT_COLUMNS, JUMP, ORDERED, Measure
from clickstream_contracts.fraud_rules import Pattern, Rules

# CAST(ts AS STRING) in Flink is `yyyy-MM-dd HH:mm:ss.SSS`; the session's time zone is UTC, so the texts sort by time.
TIME_LENGTH, MD5_LENGTH = 23, 32
SUM_TYPE = "DECIMAL(28, 4)"
DEVICE = "COALESCE(device_id, session_id)"


class Dialect(ABC):
    """What Flink and Spark write differently. The window of a measure is called `w`."""

    @abstractmethod
    def literal(self, text: str) -> str:
        """Returns a literal of type STRING."""

    @abstractmethod
    def count_distinct(self, value: str) -> str:
        """Returns the window expression of the function count_distinct."""

    @abstractmethod
    def ordered(self, function: str, value: str, type_: str) -> str:
        """Returns the window expression of the function first, last or previous of a value of an SQL type."""

    @abstractmethod
    def jump(self, device: str, min_km: str) -> str:
        """Returns the window expression of the function jump; `device` is the SQL of the device of an event that counts."""

    def measure(self, measure: Measure) -> str:
        """Returns a measure, its templates rendered, as an expression over the window `w`."""
        if measure.function == JUMP:
            return self.jump(f"CASE WHEN {measure.where} THEN {DEVICE} END" if measure.where else DEVICE, measure.value)
        value = f"CASE WHEN {measure.where} THEN {measure.value} END" if measure.where else measure.value
        if measure.function in ORDERED:
            return self.ordered(measure.function, value, EVENT_COLUMNS[measure.value])
        if measure.function == "count_distinct":
            return self.count_distinct(value)
        if measure.function == "sum":
            # A sum of doubles would drift: Flink subtracts the values that leave the window.
            return f"CAST(SUM(TRY_CAST({value} AS {SUM_TYPE})) OVER w AS DOUBLE)"
        return f"{measure.function.upper()}({value}) OVER w"


class Flink(Dialect):
    """Flink SQL 2.1."""

    def literal(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def count_distinct(self, value: str) -> str:
        return f"COUNT(DISTINCT {value}) OVER w"

    def ordered(self, function: str, value: str, type_: str) -> str:
        """Puts a key of (time, MD5 of event_id) before each value and takes the value of the right text.

        FIRST_VALUE and LAST_VALUE would take the events of one millisecond in order of arrival, which differs between
        two runs over one topic, and a window of a stream can be ordered by nothing but the time. LAG knows neither nulls
        nor the length of the window, and its state is never removed.
        """
        key = "CONCAT(CAST(CAST(ts AS TIMESTAMP_LTZ(3)) AS STRING), MD5(event_id))"
        # CONCAT with a null is null, and MIN and MAX skip nulls.
        keyed = f"CONCAT({key}, CAST({value} AS STRING))"
        if function == "first":
            chosen = f"MIN({keyed}) OVER w"
        elif function == "last":
            chosen = f"MAX({keyed}) OVER w"
        else:
            # The key alone sorts directly before the event's own text, so the text before it is the previous event's. Index 0 is null.
            texts = f"ARRAY_SORT(ARRAY_APPEND(ARRAY_AGG({keyed}) OVER w, {key}))"
            position = f"ARRAY_POSITION({texts}, {key})"
            chosen = f"{texts}[{position} - 1]"
        return f"TRY_CAST(SUBSTRING({chosen} FROM {TIME_LENGTH + MD5_LENGTH + 1}) AS {type_})"

    def jump(self, device: str, min_km: str) -> str:
        """Calls the Java functions Places and Jump: SQL cannot search a list for the row that it belongs to."""
        place = "latitude, longitude, CAST(ts AS TIMESTAMP_LTZ(3))"
        return f"jump(places({device}, {place}) OVER w, {DEVICE}, {place}, CAST({min_km} AS DOUBLE))"


class Spark(Dialect):
    """Spark SQL 4.1 in ANSI mode."""

    def literal(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def count_distinct(self, value: str) -> str:
        # Spark has no COUNT(DISTINCT) over a window.
        return f"size(collect_set({value}) OVER w)"

    def ordered(self, function: str, value: str, type_: str) -> str:
        """Takes the value out of the right structure of (time, MD5 of event_id, value); structures compare field by field."""
        event = f"CASE WHEN {value} IS NOT NULL THEN named_struct('ts', ts, 'id', md5(event_id), 'value', {value}) END"
        if function == "first":
            return f"(min({event}) OVER w).value"
        if function == "last":
            return f"(max({event}) OVER w).value"
        before = "e -> e.ts < ts OR (e.ts = ts AND e.id < md5(event_id))"
        return f"array_max(filter(collect_list({event}) OVER w, {before})).value"

    def jump(self, device: str, min_km: str) -> str:
        """Searches the list of all events of the window."""
        latitude, longitude = _cell("latitude"), _cell("longitude")
        place = f"named_struct('device', {device}, 'latitude', {latitude}, 'longitude', {longitude}, 'millis', unix_millis(ts))"
        is_place = f"({device}) IS NOT NULL AND latitude IS NOT NULL AND longitude IS NOT NULL"
        places = f"collect_list(CASE WHEN {is_place} THEN {place} END) OVER w"
        km = _kilometres("p.latitude", "p.longitude", latitude, longitude)
        millis = "greatest(0L, unix_millis(ts) - p.millis)"
        jump = f"named_struct('speed', {km} * 60000 DIV ({millis} + 60000), 'km', {km}, 'minutes', {millis} DIV 60000)"
        best = f"array_max(transform(filter({places}, p -> p.device <> {DEVICE} AND {km} >= {min_km}), p -> {jump}))"
        own = f"array_max(transform(filter({places}, p -> p.device = {DEVICE}), p -> {km}))"
        return f"named_struct('km', {best}.km, 'minutes', {best}.minutes, 'own_km', {own})"


def _cell(degrees: str) -> str:
    """Returns a coordinate rounded to 0.1 degrees, as the Java class Jump rounds it."""
    return f"floor({degrees} * 10 + 0.5) / 10"


def _kilometres(latitude: str, longitude: str, to_latitude: str, to_longitude: str) -> str:
    """Returns the whole kilometres between two places: haversine formula on a sphere with a radius of 6,371 km."""
    half = (
        f"power(sin(radians({to_latitude} - {latitude}) / 2), 2) + cos(radians({latitude})) * cos(radians({to_latitude}))"
        f" * power(sin(radians({to_longitude} - {longitude}) / 2), 2)"
    )
    return f"CAST(12742 * asin(sqrt(least(1D, {half}))) AS BIGINT)"


FLINK, SPARK = Flink(), Spark()


def reference_amount(rules: Rules, amount: str, currency: str) -> str:
    """Returns the SQL of an amount in the currency of the rules' limits; `amount` is of type DOUBLE, `currency` an upper-case code."""
    cases = " ".join(f"WHEN '{code}' THEN {amount} / {float(rate)!r}E0" for code, rate in sorted(rules.reference_rates.items()))
    return f"CASE {currency} {cases} ELSE {amount} END" if cases else amount


@dataclass(frozen=True)
class PatternSql:
    """One pattern for a template, its expressions in one dialect; the module's docstring shows the query around them.

    `measures` and `derived` map a column to its expression, `parts` holds (condition, score) in order of evaluation,
    `interval` is the length of the window, `reason` an expression for the text, `allowed` the condition for events of known senders that
    are not flagged, '' without any.
    """

    name: str
    meaning: str
    scope: str
    entity: str
    interval: str
    measures: dict[str, str]
    derived: dict[str, str]
    parts: tuple[tuple[str, float], ...]
    reason: str
    allowed: str


def pattern_sql(pattern: Pattern, dialect: Dialect) -> PatternSql:
    """Renders the expressions of a pattern for one engine."""
    columns = pattern.columns
    count, unit = pattern.window.split()
    return PatternSql(
        name=pattern.name,
        meaning=pattern.meaning,
        scope=pattern.scope,
        entity=pattern.entity,
        interval=f"INTERVAL '{count}' {unit}",
        measures={columns[name]: _measure(pattern, measure, dialect) for name, measure in pattern.measures.items()},
        derived={columns[name]: pattern.render(text, columns) for name, text in pattern.derived.items()},
        parts=tuple((pattern.render(part.when, columns), part.score) for part in pattern.parts),
        reason=_reason(pattern, dialect),
        allowed=" OR ".join(f"{entry.entity} = {dialect.literal(entry.value)} AND event_ms < {entry.end_ms}" for entry in pattern.allowed),
    )


@dataclass(frozen=True)
class PatternGroup:
    """Patterns that follow each other and have the same entity and window. Its view has the name of the first pattern."""

    patterns: tuple[PatternSql, ...]

    @property
    def name(self) -> str:
        """Name of the view that has the columns of all patterns of the group."""
        return self.patterns[0].name

    @property
    def entity(self) -> str:
        """The column whose events are counted together."""
        return self.patterns[0].entity

    @property
    def interval(self) -> str:
        """Length of the window as SQL."""
        return self.patterns[0].interval

    @property
    def measures(self) -> dict[str, str]:
        """The measures of all patterns: column and expression."""
        return {column: expression for pattern in self.patterns for column, expression in pattern.measures.items()}

    @property
    def derived(self) -> dict[str, str]:
        """The derived values of all patterns: column and expression."""
        return {column: expression for pattern in self.patterns for column, expression in pattern.derived.items()}


def pattern_groups(patterns: list[Pattern], dialect: Dialect) -> list[PatternGroup]:
    """Returns the patterns, grouped where neighbours have the same entity and window."""
    groups = groupby(patterns, key=lambda pattern: (pattern.entity, pattern.window))
    return [PatternGroup(tuple(pattern_sql(pattern, dialect) for pattern in group)) for _, group in groups]


def pattern_chain(patterns: list[Pattern], source: str, dialect: Dialect) -> list[tuple[PatternGroup, str]]:
    """Returns each group of patterns and the name of the view that it reads: `source`, then the view of the group before it."""
    groups = pattern_groups(patterns, dialect)
    return list(zip(groups, [source, *(group.name for group in groups)], strict=False))


def chain_output(chain: list[tuple[PatternGroup, str]], source: str) -> str:
    """Returns the name of the last view of a chain, which has the columns of all its patterns; `source` for no patterns."""
    return chain[-1][0].name if chain else source


def _measure(pattern: Pattern, measure: Measure, dialect: Dialect) -> str:
    """Returns the window expression of a measure whose templates may name the pattern's limits."""
    rendered = Measure(measure.function, pattern.render(measure.value), pattern.render(measure.where))
    return dialect.measure(rendered)


def _reason(pattern: Pattern, dialect: Dialect) -> str:
    """Returns the reason as one expression: literals for its text, casts for the measures in it."""
    # Each column is rendered between two NUL characters, so the pieces with an odd index are the columns.
    marked = pattern.render(pattern.reason, {name: f"\0{column}\0" for name, column in pattern.columns.items()})
    pieces = []
    for index, piece in enumerate(marked.split("\0")):
        if index % 2 == 1:
            pieces.append(f"CAST({piece} AS STRING)")
        elif piece:
            pieces.append(dialect.literal(piece))
    return f"CONCAT({', '.join(pieces)})"
