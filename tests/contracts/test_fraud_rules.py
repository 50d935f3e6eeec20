"""Rules that cannot be used are refused with the place and the reason."""

import pytest

from clickstream_contracts.fraud_rules import RulesError, parse

GOOD = (
    "version: '1'\nreview_from: 0.5\nblock_from: 0.8\nalert_suppression_minutes: 30\nallowed_lateness_seconds: 60\nserver_events: [login]\n"
    "scored_events: [purchase]\nbrowse_events: [search]\npatterns:\n"
)
ONE = (
    "  - {name: x, meaning: m, scope: all_events, entity: user_id, window: 5 SECOND, measures: {n: COUNT(event_id)},"
    " limits: {n: 3}, parts: [{score: 0.6, when: '{n} > {limit.n}'}], reason: '{n} in 5 s'}\n"
)
BROKEN = [
    (ONE.replace("all_events", "some"), "scope 'some'"),
    (ONE.replace("5 SECOND", "200 SECOND"), "window '200 SECOND'"),
    (ONE.replace("0.6", "1.6"), "score 1.6"),
    (ONE + "alert_suppression_minutes: 100\n", "alert_suppression_minutes is 100"),
    (ONE + "allowed_lateness_seconds: 0\n", "allowed_lateness_seconds is 0"),
    (ONE + "server_events: []\n", "server_events is (); give a list of event types"),
    (ONE + "browse_events: 5\n", "browse_events is 5; give a list of event types"),
    (ONE + "scored_events: [purchase, search]\n", "search is in scored_events and in browse_events"),
    (ONE + "scored_events: [purchase, logn]\n", "scored_events: 'logn' is no event type of click.v1; use page_view"),
    (ONE.replace("{limit.n}", "{limit.m}"), "{limit.m} is no measure"),
    (ONE.replace("name: x", "name: X y"), "a name is small letters"),
    (ONE.replace("reason:", "raeson:"), "raeson"),
    (ONE.replace("all_events", "risk_events") + ONE, "come first"),
]


def test_good_rules_are_read() -> None:
    assert parse(GOOD + ONE, "here").patterns[0].seconds == 5


@pytest.mark.parametrize(("text", "says"), BROKEN)
def test_rules_that_cannot_be_used_say_why(text: str, says: str) -> None:
    with pytest.raises(RulesError, match="here: ") as found:
        parse(GOOD + text, "here")
    assert says in str(found.value)
