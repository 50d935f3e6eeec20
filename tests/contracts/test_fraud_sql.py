"""The rendered SQL of each function of the measure language and of each pattern, for Flink and for Spark.

python -m tests.contracts.test_fraud_sql     writes the golden files again
"""

import json
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts.fraud_measures import FUNCTIONS, JUMP, Measure
from clickstream_contracts.fraud_rules import parse, rules
from clickstream_contracts.fraud_sql import FLINK, SPARK, Dialect, chain_output, pattern_chain, pattern_groups, pattern_sql
from tests.contracts.test_fraud_rules import HEAD, PATTERN

GOLDEN = Path(__file__).parent / "golden"
DIALECTS = {"flink": FLINK, "spark": SPARK}


def measures_sql(dialect: Dialect) -> dict[str, str]:
    """Returns each function rendered without and with a condition."""
    rendered = {}
    for function in FUNCTIONS:
        column = "payment_token" if function.startswith("count") else "amount"
        rendered[function] = dialect.measure(Measure(function, column))
        rendered[f"{function} where"] = dialect.measure(Measure(function, column, "event_type = 'purchase'"))
    rendered[JUMP] = dialect.measure(Measure(JUMP, "300"))
    rendered[f"{JUMP} where"] = dialect.measure(Measure(JUMP, "300", "event_type = 'purchase'"))
    return rendered


def golden_text(dialect: Dialect) -> str:
    patterns: dict[str, Any] = {pattern.name: vars(pattern_sql(pattern, dialect)) for pattern in rules().patterns}
    return json.dumps({"functions": measures_sql(dialect), "patterns": patterns}, indent=1) + "\n"


@pytest.mark.parametrize("name", DIALECTS)
def test_functions_and_patterns_render_to_the_golden_sql(name: str) -> None:
    assert golden_text(DIALECTS[name]) == (GOLDEN / f"fraud_sql.{name}.json").read_text()


@pytest.mark.parametrize(("dialect", "literal"), [(FLINK, "' card''s \\ orders'"), (SPARK, "' card\\'s \\\\ orders'")])
def test_quotes_and_backslashes_of_a_reason_are_escaped(dialect: Dialect, literal: str) -> None:
    [pattern] = parse(HEAD + PATTERN.replace("'{{ n }} in 5 s'", '"{{ n }} card\'s \\\\ orders"'), "file").patterns
    assert pattern_sql(pattern, dialect).reason == f"CONCAT(CAST(x_n AS STRING), {literal})"


def test_each_group_of_a_chain_reads_the_view_of_the_one_before() -> None:
    patterns = list(rules().patterns[:4])
    chain = pattern_chain(patterns, "events", FLINK)
    assert [(group.name, view) for group, view in chain] == [
        ("rapid_fire", "events"),
        ("scraping_bot", "rapid_fire"),
        ("card_testing", "scraping_bot"),
    ]
    assert chain_output(chain, "events") == "card_testing"
    assert (pattern_chain([], "events", FLINK), chain_output([], "events")) == ([], "events")


def test_neighbours_with_the_same_entity_and_window_share_a_window() -> None:
    texts = [PATTERN.replace("name: x", f"name: {name}") for name in ("a", "b", "c")]
    texts[2] = texts[2].replace("5 SECOND", "6 SECOND")
    first, second = pattern_groups(list(parse(HEAD + "".join(texts), "file").patterns), FLINK)
    assert ([pattern.name for pattern in first.patterns], list(first.measures)) == (["a", "b"], ["a_n", "b_n"])
    assert ([pattern.name for pattern in second.patterns], second.interval) == (["c"], "INTERVAL '6' SECOND")


if __name__ == "__main__":
    for dialect_name, selected in DIALECTS.items():
        (GOLDEN / f"fraud_sql.{dialect_name}.json").write_text(golden_text(selected))
