"""Fraud scores of the payments and sign-ins that the stream has not scored: the rules of the contracts as one Spark query."""

import math
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts.fraud_rules import ALL_EVENTS, RISK_EVENTS, Pattern, Rules, chained, last, rules
from clickstream_contracts.fraud_sql import SPARK, PatternSql, pattern_sql
from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "marts.late_fraud_scores"
SECONDS_PER_DAY = 86_400


def late_scores(lake: Lake, days: list[date]) -> DataFrame:
    """Returns the scores of the days' events that the stream has not scored."""
    unscored = lake.view(SQL / "unscored_events.sql", days=days, scored_events=list(rules().scored_events)).cache()
    # The stream usually scores all events, and the query over all patterns takes a while even without any input.
    if unscored.isEmpty():
        return lake.table(TABLE).where(F.lit(False))
    return lake.sql(SQL / "late_fraud_scores.sql", read_days=read_days(days, rules()), **template_values(rules()))


def read_days(days: list[date], fraud_rules: Rules) -> list[date]:
    """Returns the days whose events are read: `days`, and as many days before each as the longest window of the rules covers."""
    days_before = math.ceil(fraud_rules.longest_seconds / SECONDS_PER_DAY)
    return sorted({day - timedelta(days=n) for day in days for n in range(days_before + 1)})


def template_values(fraud_rules: Rules) -> dict[str, object]:
    """Returns the values of late_fraud_scores.sql that depend on the rules."""
    all_event_patterns = fraud_rules.in_scope(ALL_EVENTS)
    risk_event_patterns = fraud_rules.in_scope(RISK_EVENTS)
    return {
        "rules": fraud_rules,
        "pattern_names": [pattern.name for pattern in fraud_rules.patterns],
        "entities": sorted({pattern.entity for pattern in fraud_rules.patterns}),
        "all_event_patterns": _with_sources(all_event_patterns, "all_events"),
        "last_all_event_pattern": last(all_event_patterns, "all_events"),
        "risk_event_patterns": _with_sources(risk_event_patterns, "risk_events"),
        "last_risk_event_pattern": last(risk_event_patterns, "risk_events"),
    }


def _with_sources(patterns: list[Pattern], source: str) -> list[tuple[PatternSql, str]]:
    """Returns each pattern's SQL with the name of the query that it reads: `source` for the first, the previous one for the others."""
    return [(pattern_sql(pattern, SPARK), name) for pattern, name in chained(patterns, source)]
