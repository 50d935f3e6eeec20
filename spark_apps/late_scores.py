"""Renders the rules of fraud into the query that judges what the stream did not. Pure: needs no engine."""

import re
from datetime import date, timedelta

from clickstream_contracts.fraud_rules import ALL_EVENTS, REFERENCE, RISK_EVENTS, Pattern, Rules, chained, last, refer, rules
from spark_apps import queries

DISTINCT = re.compile(r"COUNT\(DISTINCT (.*)\)")
FIRST = re.compile(r"FIRST_VALUE\((.*)\)")


def text(found: Rules | None = None) -> str:
    """The query; it still asks for `read_days`, and for a view `unjudged`."""
    known = found or rules()
    patterns = known.patterns
    all_events = known.in_scope(ALL_EVENTS)
    risk = known.in_scope(RISK_EVENTS)
    return _filled(
        "late_fraud_scores",
        {
            "patterns_of_all": _chain(all_events, "seen"),
            "patterns_of_risk": _chain(risk, "risky"),
            "all": last(all_events, "seen"),
            "risk": last(risk, "risky"),
            "reach": " OR ".join(f"e.{one} IN (SELECT {one} FROM unjudged)" for one in sorted({p.entity for p in patterns})),
            "looking": queries.literal(list(known.browse_events)),
            "parts": ", ".join(f"{p.name}_part" for p in patterns),
            "named_parts": ", ".join(f"'{p.name}', {p.name}_part" for p in patterns),
            "codes": ", ".join(f"IF({p.name}_part > 0, '{p.name}', NULL)" for p in patterns),
            "reasons": ", ".join(f"{p.name}_reason" for p in patterns),
            "review_from": str(known.review_from),
            "block_from": str(known.block_from),
            "version": queries.literal(known.version),
        },
    )


def days_read(days: list[date], found: Rules | None = None) -> list[date]:
    """The days, and those before them that the longest window looks back at."""
    before = -(-(found or rules()).longest_seconds // 86_400)
    return sorted({day - timedelta(days=n) for day in days for n in range(before + 1)})


def _chain(patterns: list[Pattern], source: str) -> str:
    return "".join(f"{_pattern(*link)},\n" for link in chained(patterns, source))


def _pattern(pattern: Pattern, source: str) -> str:
    """The pattern as a named query over `source`: its measures, its part score and its reason beside every row."""
    known = pattern.columns | pattern.literals
    count, unit = pattern.window.split()
    parts = {
        "pattern": pattern.name,
        "source": source,
        "entity": pattern.entity,
        "measures": "".join(f", {_over(sql)} AS {pattern.column(name)}" for name, sql in pattern.measures.items()),
        "derived": "".join(f", {_safe(refer(sql, known))} AS {pattern.column(name)}" for name, sql in pattern.derived.items()),
        "conditions": " ".join(f"WHEN {_safe(refer(p.when, known))} THEN {p.score}D" for p in pattern.parts),
        "reason": _words(refer(pattern.reason, pattern.literals), pattern.columns),
        "count": count,
        "unit": unit,
    }
    return _filled("fraud_pattern", parts)


def _over(measure: str) -> str:
    """A measure over the window. Spark counts distinct values there only as a set; of equal moments the first is always the same."""
    if distinct := DISTINCT.fullmatch(measure):
        return f"size(collect_set({distinct[1]}) OVER w)"
    if first := FIRST.fullmatch(measure):
        return f"min_by({first[1]}, struct(ts, event_id)) OVER w"
    return f"{measure} OVER w"


def _safe(expression: str) -> str:
    """Where Flink gives 0 or null for a number that is none, Spark's CAST would end the night."""
    return re.sub(r"\bCAST\(", "TRY_CAST(", expression)


def _words(reason: str, columns: dict[str, str]) -> str:
    """The reason as one SQL expression; its numbers are whole, as the stream says them."""
    pieces = REFERENCE.split(reason)
    said = [queries.literal(p) if i % 2 == 0 else f"CAST(CAST({columns[p]} AS BIGINT) AS STRING)" for i, p in enumerate(pieces) if p]
    return f"concat({', '.join(said)})"


def _filled(name: str, parts: dict[str, str]) -> str:
    text = queries.load(name)
    for key, value in parts.items():
        text = text.replace("{{" + key + "}}", value)
    return text.rstrip("\n")
