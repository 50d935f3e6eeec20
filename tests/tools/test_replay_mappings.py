"""The bundled mappings: a made-up file of each format gives the expected events, field by field."""

import hashlib

import orjson
import pytest

from clickstream_contracts import names
from tests.tools.replay_samples import SAMPLES, START, Replayed, without
from tools.replay import mapping as mappings

# The made-up file of each bundled mapping; `rees46` and `jsonlog` are tested in test_replay.py, the events of `ga4` in test_replay_ga4.py.
FILES = {
    "ga4": "ga4.jsonl",
    "segment": "segment.jsonl",
    "snowplow": "snowplow.tsv",
    "matomo": "matomo.json",
    "shopify": "shopify.csv",
    "woocommerce": "woocommerce.csv",
    "online-retail": "online-retail.csv",
}


def replayed(mapping: str) -> Replayed:
    return Replayed(SAMPLES / FILES[mapping], mapping)


def hashed(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()


def test_each_bundled_mapping_has_a_sample() -> None:
    assert {path.stem for path in mappings.BUNDLED.glob("*.yaml")} == {*FILES, "rees46", "jsonlog"}


@pytest.mark.parametrize("mapping", FILES)
def test_each_line_of_a_sample_is_sent_or_rejected(mapping: str) -> None:
    sample = replayed(mapping)
    assert len(sample.events_by_line) + len(sample.rejected) == sample.lines
    assert all(sample.events_by_line)
    assert all(event["schema_version"] == names.EVENT_VERSION and event["session_id"] and event["event_id"] for event in sample.events)


def test_segment_calls_become_events_and_each_product_an_order_line() -> None:
    sample = replayed("segment")
    visit = {
        "device_id": "an-9", "session_id": "an-9.1762160400", "schema_version": 1, "producer": "replay-segment",
        "user_agent": "Mozilla/5.0", "referrer": "https://search.example/",
    }  # fmt: skip
    anonymous, known = visit | {"user_id": "an-9"}, visit | {"user_id": "u-3"}
    view = {"event_type": "view_item", "event_time": START + 120_000, "product_id": "cup-1", "price": 9.5, "currency": "EUR"}
    order = {"event_type": "purchase", "event_time": START + 300_000, "order_id": "S-1", "currency": "EUR"}
    assert sample.events[:5] == [
        anonymous | {"event_id": "ajs-1", "event_type": "page_view", "event_time": START},
        anonymous | {"event_id": "ajs-2", "event_type": "search", "event_time": START + 60_000, "search_query": "red cups"},
        anonymous | view | {"event_id": "ajs-3"},
        known | order | {"event_id": "ajs-5", "product_id": "cup-1", "price": 9.5, "quantity": 3},
        known | order | {"event_id": "ajs-5-1", "product_id": "pot-2", "price": 19.0, "quantity": 1, "coupon": "POT5"},
    ]
    assert sum(e["price"] * e["quantity"] for e in sample.events[3:5]) == 47.5
    assert sample.orders.repeats == 2


def test_segment_orders_without_products_visitors_or_sessions_are_sent() -> None:
    fields = ("event_type", "order_id", "product_id", "price", "user_id", "device_id")
    sample = replayed("segment")
    assert sample.columns(*fields)[7:] == [
        ("refund", "S-1", None, 47.5, "u-3", "an-9"),
        ("purchase", "S-2", None, 12.0, "an-9", "an-9"),
        ("purchase", "S-3", "cup-1", 3.0, None, None),
    ]
    refund, without_session, without_visitor = (event["session_id"] for event in sample.events[7:])
    assert (refund, without_session[:2]) == ("an-9.1762160400", "s-")
    assert without_visitor == names.unknown_session("ajs-10")
    assert [reason for _, reason in sample.reasons()] == [
        "event_type: the mapping leaves this value out: 'identify'",
        "event_type: value is not in the mapping: 'Newsletter Opened', add it to `values` of event_type",
    ]


def test_segment_products_are_read_from_lists_and_single_products() -> None:
    states = [(s["product_id"], s["name"], s["category"], s["brand"], s["list_price"]) for s in replayed("segment").products.states]
    assert states == [
        ("cup-1", "Cup", None, None, 9.5),
        ("cup-1", "Cup", "kitchen", "acme", 9.5),
        ("pot-2", "Pot", None, None, 19.0),
        # This order has the id and the price only: the rest is as it was.
        ("cup-1", "Cup", "kitchen", "acme", 3.0),
    ]


def test_snowplow_events_have_their_entities_and_page_titles_with_quotes() -> None:
    sample = replayed("snowplow")
    common = {
        "device_id": "d-5e21", "session_id": "s-77f0", "country": "DE", "latitude": 52.52, "longitude": 13.4, "schema_version": 1,
        "producer": "replay-snowplow",
        "user_agent": "Mozilla/5.0", "referrer": "https://search.example/",
    }  # fmt: skip
    assert sample.events[0] == common | {
        "event_id": "00000001-1c1e-4a57-9d3e-6f2f4f6f0a11", "event_type": "page_view", "event_time": START + 125, "user_id": "d-5e21",
    }  # fmt: skip
    assert sample.events[3] == common | {
        "event_id": "00000004-1c1e-4a57-9d3e-6f2f4f6f0a11-1", "event_type": "purchase", "event_time": START + 300_125, "user_id": "u-3",
        "product_id": "pot-2", "quantity": 1, "price": 19.0, "currency": "EUR", "order_id": "N-1", "coupon": "CUPS",
    }  # fmt: skip
    assert sample.columns("event_type", "product_id", "quantity", "price", "currency", "order_id", "search_query") == [
        ("page_view", None, None, None, None, None, None),
        ("view_item", "cup-1", None, 9.5, "EUR", None, None),
        ("purchase", "cup-1", 3, 9.5, "EUR", "N-1", None),
        ("purchase", "pot-2", 1, 19.0, "EUR", "N-1", None),
        ("refund", None, None, 47.5, "EUR", "N-1", None),
        ("purchase", "cup-1", 2, 9.5, "EUR", "N-2", None),
        ("search", None, None, None, None, None, "red cups"),
        ("add_to_cart", "cup-1", 2, 9.5, "EUR", None, None),
    ]
    # The id of zeros is no user.
    assert sample.events[-1]["user_id"] == "d-5e21"


def test_snowplow_lines_that_are_no_event_are_rejected_with_the_reason() -> None:
    sample = replayed("snowplow")
    assert sample.reasons() == [
        (3, "event_type: the mapping leaves this value out: 'page_ping'"),
        (6, "event_type: the mapping leaves this value out: 'transaction'"),
        (10, "3 values for 131 columns"),
    ]
    assert sample.products.states[0] == {
        "product_id": "cup-1", "name": "Cup-1", "category": "kitchen", "brand": "acme", "list_price": 12.0, "currency": "EUR",
        "updated_at": START + 60_125,
    }  # fmt: skip


def test_matomo_visits_give_an_event_for_each_action_and_each_product_of_an_order() -> None:
    sample = replayed("matomo")
    visit = {
        "user_id": "u-3", "device_id": "a1b2c3d4e5f60718", "session_id": "501", "country": "DE", "currency": "EUR",
        "referrer": "https://search.example/", "schema_version": 1, "producer": "replay-matomo",
    }  # fmt: skip
    order = {"event_type": "purchase", "order_id": "M-1", "event_time": START + 60_000}
    assert sample.events[:3] == [
        visit | {"event_id": "501.9001", "event_type": "page_view", "event_time": START},
        visit | {"event_id": "501.9002-1", "event_type": "search", "event_time": START + 20_000, "search_query": "red cups"},
        visit | {"event_id": "501.9003-2", "event_type": "view_item", "event_time": START + 40_000, "product_id": "cup-1", "price": 9.5},
    ]
    assert [without(event, "event_id") for event in sample.events[3:6]] == [
        visit | order | {"product_id": "cup-1", "quantity": 3, "price": 9.5},
        visit | order | {"product_id": "pot-2", "quantity": 1, "price": 19.0},
        visit | order | {"order_id": "M-2", "event_time": START + 90_000, "price": 12.3},
    ]


def test_matomo_visits_without_events_are_rejected_and_an_unknown_country_is_left_out() -> None:
    sample = replayed("matomo")
    assert sample.columns("event_type", "product_id", "quantity", "price", "session_id", "country")[6:] == [
        ("add_to_cart", "pot-2", 1, 19.0, "502", None)
    ]
    assert [reason for _, reason in sample.reasons()] == ["event_type: the mapping leaves this value out: 'download'"]
    assert [(s["product_id"], s["name"], s["category"]) for s in sample.products.states] == [
        ("cup-1", "Cup", "kitchen"),
        ("pot-2", "Pot", None),
    ]


def test_shopify_rows_of_an_order_share_what_its_first_row_has() -> None:
    sample = replayed("shopify")
    order = {
        "event_type": "purchase", "event_time": START + 300_000, "order_id": "#1001", "session_id": "#1001",
        "user_id": hashed("ann@example.com"), "currency": "EUR", "coupon": "CUPS", "schema_version": 1, "producer": "replay-shopify",
    }  # fmt: skip
    assert [without(event, "event_id") for event in sample.events[:2]] == [
        order | {"product_id": "cup-1", "quantity": 3, "price": 9.5},
        order | {"product_id": "Pot, large", "quantity": 1, "price": 19.0},
    ]
    assert sample.columns("order_id", "event_type", "product_id", "quantity", "price", "user_id")[2:] == [
        ("#1002", "purchase", "cup-1", 1, 9.5, None),
        ("#1002", "refund", None, None, 5.0, None),
        ("#1002", "purchase", "plate-3", 1, 10.5, None),
        ("#1004", "purchase", "cup-1", 1, 9.5, hashed("bob@example.com")),
        ("#1004", "refund", None, None, 14.4, hashed("bob@example.com")),
    ]
    assert sample.net() == 57.6
    assert sample.reasons() == [(line, "event_type: the mapping leaves this value out: 'voided'") for line in (7, 8)]
    assert [(s["product_id"], s["brand"], s["list_price"], s["currency"]) for s in sample.products.states] == [
        ("cup-1", "acme", 9.5, "EUR"),
        ("Pot, large", "acme", 19.0, "EUR"),
        ("plate-3", "acme", 10.5, "EUR"),
    ]


def test_no_e_mail_address_of_a_file_is_sent() -> None:
    for mapping in ("shopify", "woocommerce"):
        assert "@" not in orjson.dumps(replayed(mapping).events).decode()


def test_woocommerce_totals_are_divided_without_losing_a_cent() -> None:
    sample = replayed("woocommerce")
    order = {"event_type": "purchase", "event_time": START + 300_000, "order_id": "7001", "session_id": "7001", "user_id": "17",
             "currency": "EUR", "schema_version": 1, "producer": "replay-woocommerce"}  # fmt: skip
    assert sample.events[:3] == [
        order | {"event_id": "7001-31", "product_id": "cup-1", "quantity": 2, "price": 3.33},
        order | {"event_id": "7001-31-1", "product_id": "cup-1", "quantity": 1, "price": 3.34},
        order | {"event_id": "7001-32", "product_id": "502", "quantity": 1, "price": 19.0},
    ]
    assert sample.columns("event_type", "order_id", "quantity", "price", "currency")[6:] == [
        ("purchase", "7004", 2, 0.333, "KWD"),
        ("purchase", "7004", 1, 0.334, "KWD"),
    ]
    assert sample.net("KWD") == 1.0


def test_woocommerce_refunds_of_an_order_count_once_and_guests_are_known_by_a_hash() -> None:
    sample = replayed("woocommerce")
    assert sample.columns("event_type", "order_id", "product_id", "price", "user_id")[3:6] == [
        ("purchase", "7002", "cup-1", 9.5, hashed("guest@example.com")),
        ("refund", "7002", None, 29.0, hashed("guest@example.com")),
        ("purchase", "7002", "502", 19.5, hashed("guest@example.com")),
    ]
    assert sample.net() == 29.0
    assert sample.reasons() == [
        (6, "event_type: the mapping leaves this value out: 'pending'"),
        (8, "quantity: 0 pieces of a line with a total"),
    ]


def test_online_retail_returns_are_refunds_and_ids_have_no_decimals() -> None:
    sample = replayed("online-retail")
    assert sample.columns("event_type", "order_id", "product_id", "quantity", "price", "currency", "user_id", "event_time") == [
        ("purchase", "500001", "85123A", 6, 2.55, "GBP", "12001", START - 2_040_000),
        ("purchase", "500001", "71053", 1, 3.39, "GBP", "12001", START - 2_040_000),
        ("refund", "C500002", "85123A", 2, 2.55, "GBP", "12001", START + 3_600_000),
        ("purchase", "500003", "POST", 1, 18.0, "GBP", None, START + 7_200_000),
    ]
    assert sample.rejected == []
