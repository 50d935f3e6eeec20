"""Renders the SQL of fraud_scores from the rules and the contract. Pure: needs no engine."""

from collections.abc import Iterator

from clickstream_contracts import names, schema
from clickstream_contracts.fraud_rules import ALL_EVENTS, REFERENCE, RISK_EVENTS, Pattern, chained, last, refer, rules
from clickstream_contracts.schema import Contract
from clickstream_contracts.settings import Settings
from flink_apps import fraud_doors, verdict_sql
from flink_apps.fraud_doors import Doors
from flink_apps.template import SQL, filled
from flink_apps.verdict_sql import column


def render(settings: Settings, doors: Doors | None = None) -> str:
    """The job's statements; addresses stay `${...}`, so the text can be kept and compared."""
    found, event, way = rules(), schema.event(), doors or fraud_doors.kafka()
    patterns = found.patterns
    seeing_all = found.in_scope(ALL_EVENTS)
    risk = found.in_scope(RISK_EVENTS)
    parts = {
        **way,
        "version": found.version,
        "columns": ",\n".join(f"  {column(f)} {'BIGINT' if f.type == 'timestamptz' else 'STRING'}" for f in event.fields),
        "valid": "\n  AND ".join(_valid(event, way["arrived"], settings)),
        **{one: verdict_sql.typed(event.field(one), column(event.field(one))) for one in ("price", "quantity", "latitude", "longitude")},
        "scored": _texts(found.scored_events),
        "looking": _texts(found.browse_events),
        "views_of_all": "\n".join(view(*link) for link in chained(seeing_all, "prompt")),
        "all": last(seeing_all, "prompt"),
        "views_of_risk": "\n".join(view(*link) for link in chained(risk, "risky")),
        "risk": last(risk, "risky"),
        "parts": ", ".join(f"{p.name}_part" for p in patterns),
        "parts_row": ", ".join(f"`{p.name}` DOUBLE" for p in patterns),
        "codes": ", ".join(f"IF({p.name}_part > 0, '{p.name}', CAST(NULL AS STRING))" for p in patterns),
        "reasons": ", ".join(f"{p.name}_reason" for p in patterns),
        "no_risk_parts": "".join(f",\n  CAST(0 AS DOUBLE) AS {p.name}_part, CAST(NULL AS STRING) AS {p.name}_reason" for p in risk),
        "columns_of_patterns": "".join(f",\n  {p.name}_part, {p.name}_reason" for p in patterns),
        "alarms": "\nUNION ALL\n".join(_alarm(p) for p in patterns),
        "review_from": str(found.review_from),
        "block_from": str(found.block_from),
        "held_up": _texts(found.server_events),
        "late_after": str(found.allowed_lateness_seconds),
        "peace": str(found.alert_suppression_minutes),
    }
    return filled(SQL / "fraud_scores.sql", parts)


def _valid(event: Contract, arrived: str, settings: Settings) -> Iterator[str]:
    """What the lake's verdict asks of an event, so that nobody is judged for a record that is no event."""
    version = event.field("schema_version")
    # The one version is a value of the right type within its limits.
    yield f"{column(version)} = '{names.EVENT_VERSION}'"
    for field in event.fields:
        if field == version:
            continue
        if field.required:
            yield f"({verdict_sql.missing(field, column(field))}) IS NOT TRUE"
        if field.type == "timestamptz":
            yield f"({verdict_sql.out_of_range(column(field), arrived, settings)}) IS NOT TRUE"
            continue
        if field.type != "string":
            yield f"({verdict_sql.wrong_type(field, column(field))}) IS NOT TRUE"
        yield from (f"({condition}) IS NOT TRUE" for condition, _ in verdict_sql.limits(field, column(field)))


def view(pattern: Pattern, source: str) -> str:
    """The pattern as a view over `source`: its measures, its part score and its reason beside every row."""
    columns, limits = pattern.columns, pattern.literals
    known = columns | limits
    count, unit = pattern.window.split()
    parts = {
        "pattern": pattern.name,
        "meaning": pattern.meaning,
        "source": source,
        "entity": pattern.entity,
        "measures": ",\n".join(f"      {sql} OVER w AS {pattern.column(name)}" for name, sql in pattern.measures.items()),
        "derived": "".join(f",\n      {refer(sql, known)} AS {pattern.column(name)}" for name, sql in pattern.derived.items()),
        "conditions": "\n".join(f"      WHEN {refer(p.when, known)} THEN CAST({p.score} AS DOUBLE)" for p in pattern.parts),
        "reason": _words(refer(pattern.reason, limits), columns),
        "count": count,
        "unit": unit,
    }
    return filled(SQL / "fraud_pattern.sql", parts).rstrip("\n")


def _alarm(pattern: Pattern) -> str:
    return filled(SQL / "fraud_alarm.sql", {"pattern": pattern.name, "entity": pattern.entity}).rstrip("\n")


def _words(reason: str, columns: dict[str, str]) -> str:
    """The reason as one SQL expression: texts between the numbers, the numbers from their columns."""
    pieces = REFERENCE.split(reason)
    said = [f"'{piece}'" if i % 2 == 0 else f"CAST({columns[piece]} AS STRING)" for i, piece in enumerate(pieces) if piece]
    return f"CONCAT({', '.join(said)})"


def _texts(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)
