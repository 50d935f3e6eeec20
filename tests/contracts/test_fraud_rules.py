"""Fraud rules that cannot be used are refused with the place, the value and the fix."""

from datetime import UTC, datetime

import pytest

from clickstream_contracts.fraud_measures import Measure, RulesError
from clickstream_contracts.fraud_rules import parse, rules
from clickstream_contracts.fraud_sql import FLINK, pattern_sql

HEAD = (
    "version: '1'\nreview_from: 0.5\nblock_from: 0.8\nalert_suppression_minutes: 30\nallowed_lateness_minutes: 60\nlate_after_seconds: 60\n"
    "server_events: [login]\nscored_events: [purchase]\nbrowse_events: [search]\npatterns:\n"
)
PATTERN = (
    "  - {name: x, meaning: m, scope: all_events, entity: user_id, window: 5 SECOND, measures: {n: {count: event_id}},"
    " limits: {n: 3}, parts: [{score: 0.6, when: '{{ n }} > {{ limits.n }}'}], reason: '{{ n }} in 5 s'}\n"
)
ALLOWED = "allowed:\n  - {entity: ip_hash, value: ip-1, patterns: [x], until: 2027-06-30, reason: office}\n"
MEASURE = "{count: event_id}"
REFUSED = [
    (PATTERN.replace("all_events", "some"), "scope 'some'"),
    (PATTERN.replace("5 SECOND", "200 SECOND"), "window '200 SECOND'"),
    (PATTERN.replace("0.6", "1.6"), "score 1.6"),
    (PATTERN + "alert_suppression_minutes: 100\n", "alert_suppression_minutes is 100"),
    (PATTERN + "allowed_lateness_minutes: 0\n", "allowed_lateness_minutes is 0"),
    (PATTERN + "reference_rates: {USD: 0}\n", "reference_rates: USD is 0; use a number above 0"),
    (PATTERN + ALLOWED.replace("[x]", "[y]"), "allowed: 'y' is no pattern; use x"),
    (PATTERN + ALLOWED.replace("ip_hash", "country"), "allowed: entity 'country'; use one of the columns user_id"),
    (PATTERN + ALLOWED.replace("2027-06-30", "soon"), "allowed: until is 'soon'; use a day like 2027-06-30"),
    (PATTERN + "server_events: []\n", "server_events is (); give a list of event types"),
    (PATTERN + "browse_events: 5\n", "browse_events is 5; give a list of event types"),
    (PATTERN + "scored_events: [purchase, search]\n", "search is in scored_events and in browse_events"),
    (PATTERN + "scored_events: [purchase, logn]\n", "scored_events: 'logn' is no event type of click.v1; use page_view"),
    (PATTERN.replace("limits.n }}", "limits.m }}"), "has no attribute 'm'; use n, limits.n"),
    (PATTERN.replace("'{{ n }} in", "'{{ m }} in"), "'m' is undefined; use n, limits.n"),
    (PATTERN.replace("{{ n }} in", "{{ n } in"), "x: '{{ n } in 5 s'"),
    (PATTERN.replace("name: x", "name: X y"), "a name is small letters"),
    (PATTERN.replace("{n: {count", "{N: {count"), "a name is small letters"),
    (PATTERN.replace("reason:", "raeson:"), "raeson"),
    (PATTERN.replace("entity: user_id", "entity: user"), "entity 'user'; use one of the columns user_id"),
    (PATTERN.replace("entity: user_id", "entity: amount"), "entity 'amount'; use one of the columns user_id"),
    (PATTERN.replace("all_events", "risk_events") + PATTERN, "x of scope all_events comes after x of scope risk_events; move it before"),
    (PATTERN + "review_from: 0.9\n", "review_from is 0.9 and block_from is 0.8; use numbers with 0 <"),
    (PATTERN.replace("measures: {n: {count: event_id}},", ""), "the key 'measures' is missing"),
    (PATTERN.replace("'{{ n }} >", "'CAST({{ n }} AS INT) >"), "write TRY_CAST instead of CAST"),
    (PATTERN.replace(MEASURE, "COUNT(event_id)"), "x: n: 'COUNT(event_id)' is no measure; write it like {count: event_id}"),
    (PATTERN.replace(MEASURE, "{median: amount}"), "x: n: 'median'; use exactly one of count, count_distinct, sum"),
    (PATTERN.replace(MEASURE, "{where: a > 1}"), "x: n: no function; use exactly one of"),
    (PATTERN.replace(MEASURE, "{count: event_id, sum: amount}"), "x: n: 'count', 'sum'; use exactly one of"),
    (PATTERN.replace(MEASURE, "{count: 5}"), "x: n: count of 5; give a column or an SQL expression"),
    (PATTERN.replace(MEASURE, "{count: event_id, where: true}"), "x: n: where is True; give an SQL condition"),
    (PATTERN.replace(MEASURE, "{first: amount + 1}"), "x: n: first of 'amount + 1'; it takes one of the columns event_id"),
    (PATTERN.replace(MEASURE, "{count: event_id, where: 'amount > {{ limits.m }}'}"), "has no attribute 'm'"),
    (PATTERN.replace(MEASURE, "{count: event_id, where: '{{ n }} > 1'}"), "'n' is undefined"),
]


def test_usable_rules_are_read() -> None:
    pattern = parse(HEAD + PATTERN, "file").patterns[0]
    assert pattern.seconds == 5
    assert pattern.measures == {"n": Measure("count", "event_id")}
    assert pattern.columns == {"n": "x_n"}


def test_the_shipped_rules_are_read_in_order_of_scope() -> None:
    assert [pattern.scope for pattern in rules().patterns] == ["all_events"] * 2 + ["risk_events"] * 11
    assert rules().longest_seconds == 7200


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_unusable_rules_are_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(RulesError, match="file: ") as raised:
        parse(HEAD + text, "file")
    assert message in str(raised.value)


def test_two_contents_never_have_the_same_version() -> None:
    assert parse(HEAD + PATTERN, "file").version.startswith("1-")
    assert parse(HEAD + PATTERN, "file").version == parse(HEAD + PATTERN + "# a comment\n", "file").version
    assert parse(HEAD + PATTERN, "file").version != parse(HEAD + PATTERN.replace("limits: {n: 3}", "limits: {n: 4}"), "file").version


def test_a_known_sender_is_not_flagged_by_the_named_patterns_until_the_end_of_a_day() -> None:
    second = PATTERN.replace("name: x", "name: z")
    allowed, other = (pattern_sql(pattern, FLINK).allowed for pattern in parse(HEAD + PATTERN + second + ALLOWED, "file").patterns)
    assert allowed == "ip_hash = 'ip-1' AND event_ms < 1814400000000"
    assert datetime.fromtimestamp(1_814_400_000, UTC) == datetime(2027, 7, 1, tzinfo=UTC)
    assert other == ""
