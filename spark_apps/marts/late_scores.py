"""Fraud scores of the payments and sign-ins that the stream has not scored: the rules of the contracts as one Spark query."""

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts.fraud_rules import ALL_EVENTS, RISK_EVENTS, Rules, rules
from clickstream_contracts.fraud_sql import SPARK, chain_output, pattern_chain, reference_amount
from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "marts.late_fraud_scores"
SECONDS_PER_DAY = 86_400
# By how much the clock of a broker may be ahead of that of another one.
CLOCK_DIFFERENCE = timedelta(hours=1)


def late_scores(lake: Lake, days: list[date]) -> DataFrame:
    """Returns the scores of the days' events that the stream has not scored."""
    fraud_rules = rules()
    scored_events = list(fraud_rules.scored_events)
    first_arrival: list[datetime] = lake.column(SQL / "late_first_arrival.sql", days=days, scored_events=scored_events)
    if not first_arrival:
        return lake.table(TABLE).where(F.lit(False))
    # collect() returns timestamps without a zone, in the zone of this process.
    scores_since = first_arrival[0].astimezone(UTC) - CLOCK_DIFFERENCE
    unscored = lake.view(
        SQL / "unscored_events.sql", days=days, scored_events=scored_events, entities=entities(fraud_rules), scores_since=scores_since
    ).cache()
    # The stream usually scores all events, and the query over all patterns takes a while even without any input.
    if unscored.isEmpty():
        return lake.table(TABLE).where(F.lit(False))
    return lake.sql(SQL / "late_fraud_scores.sql", read_days=read_days(days, fraud_rules), **template_values(fraud_rules))


def read_days(days: list[date], fraud_rules: Rules) -> list[date]:
    """Returns the days whose events are read: `days`, and as many days before each as the longest window of the rules covers."""
    days_before = math.ceil(fraud_rules.longest_seconds / SECONDS_PER_DAY)
    return sorted({day - timedelta(days=n) for day in days for n in range(days_before + 1)})


def entities(fraud_rules: Rules) -> list[str]:
    """Returns the columns whose events the patterns count together, e.g. user_id."""
    return sorted({pattern.entity for pattern in fraud_rules.patterns})


def template_values(fraud_rules: Rules) -> dict[str, object]:
    """Returns the values of late_fraud_scores.sql that depend on the rules."""
    all_events_groups = pattern_chain(fraud_rules.in_scope(ALL_EVENTS), "all_events", SPARK)
    risk_events_groups = pattern_chain(fraud_rules.in_scope(RISK_EVENTS), "risk_events", SPARK)
    return {
        "rules": fraud_rules,
        "pattern_names": [pattern.name for pattern in fraud_rules.patterns],
        "entities": entities(fraud_rules),
        "reference_amount": reference_amount(fraud_rules, "amount", "currency"),
        "all_events_groups": all_events_groups,
        "all_events_view": chain_output(all_events_groups, "all_events"),
        "risk_events_groups": risk_events_groups,
        "risk_events_view": chain_output(risk_events_groups, "risk_events"),
    }
