"""The mapping of GA4 exports: a made-up file gives the expected events, field by field, as JSON lines and as Parquet."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tests.tools.replay_samples import SAMPLES, START, Replayed, without


def replayed() -> Replayed:
    return Replayed(SAMPLES / "ga4.jsonl", "ga4")


def test_ga4_events_have_all_fields_of_the_export() -> None:
    events = replayed().events
    visitor = {"user_id": "11.22", "device_id": "11.22", "session_id": "11.22.1762160400", "schema_version": 1}
    visitor["producer"] = "replay-ga4"
    assert [without(event, "event_id") for event in events[:3]] == [
        visitor | {"event_type": "page_view", "event_time": START, "referrer": "https://search.example/"},
        visitor | {"event_type": "search", "event_time": START + 1000, "search_query": "null"},
        visitor | {"event_type": "view_item", "event_time": START + 2000, "product_id": "kettle-9", "price": 49.9, "currency": "EUR"},
    ]
    purchase = visitor | {"event_type": "purchase", "event_time": START + 60_000, "user_id": "u-7", "order_id": "W-1", "currency": "EUR"}
    assert [without(event, "event_id") for event in events[3:5]] == [
        purchase | {"product_id": "kettle-9", "price": 49.9, "quantity": 1},
        # Two equal items of one basket are two pieces, not a repeat.
        purchase | {"product_id": "cup-1", "price": 10.0, "quantity": 2},
    ]


def test_ga4_orders_without_items_or_prices_have_the_value_of_the_order() -> None:
    sample = replayed()
    of_order = {order: [event for event in sample.events if event.get("order_id") == order] for order in ("W-1", "W-2", "W-3")}
    assert [(e["event_type"], e.get("product_id"), e.get("quantity"), e.get("price"), e["currency"]) for e in of_order["W-2"]] == [
        ("purchase", None, None, 1.234, "KWD")
    ]
    # The only product has no price: its two pieces share the value of the order.
    assert [(e.get("product_id"), e.get("quantity"), e.get("price")) for e in of_order["W-3"]] == [(None, 2, 40.0)]
    assert [e["price"] for e in of_order["W-1"] if e["event_type"] == "refund"] == [69.9]
    assert sample.net() == 80.0


def test_ga4_lines_that_are_no_event_are_rejected_with_the_reason() -> None:
    assert replayed().reasons() == [
        (4, "event_type: value is not in the mapping: 'user_engagement', add it to `values` of event_type"),
        (10, "currency: not a code of ISO 4217: 'EURO': use one like EUR"),
        (11, "currency: another one than the order's earlier lines: order 'W-1' has EUR and USD"),
    ]


def test_ga4_products_have_a_currency_and_no_placeholders() -> None:
    states = [(s["product_id"], s["name"], s["brand"], s["list_price"], s["currency"]) for s in replayed().products.states]
    assert states == [("kettle-9", "Kettle", None, 49.9, "EUR"), ("cup-1", "Cup", "acme", 10.0, "EUR")]


def test_the_parquet_export_of_ga4_gives_the_same_events_as_the_json_export(tmp_path: Path) -> None:
    value = pa.struct({"string_value": pa.string(), "int_value": pa.int64(), "float_value": pa.float64(), "double_value": pa.float64()})
    item = pa.struct(
        {
            "item_id": pa.string(), "item_name": pa.string(), "item_brand": pa.string(), "item_category": pa.string(),
            "coupon": pa.string(), "price": pa.float64(), "quantity": pa.int64(),
        }
    )  # fmt: skip
    types = {
        "event_date": pa.string(), "event_timestamp": pa.int64(), "event_name": pa.string(), "user_id": pa.string(),
        "user_pseudo_id": pa.string(), "event_params": pa.list_(pa.struct({"key": pa.string(), "value": value})),
        "ecommerce": pa.struct({"transaction_id": pa.string(), "purchase_revenue": pa.float64(), "refund_value": pa.float64()}),
        "items": pa.list_(item),
    }  # fmt: skip
    rows = [_with_numbers(orjson.loads(line)) for line in (SAMPLES / "ga4.jsonl").read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(types)), tmp_path / "ga4.parquet")
    exported, sample = Replayed(tmp_path / "ga4.parquet", "ga4"), replayed()

    def comparable(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # The ids of events without an order are hashes of the line, whose text differs.
        return [without(e, *(() if "order_id" in e else ("event_id",))) for e in events]

    assert comparable(exported.events) == comparable(sample.events)
    assert exported.reasons() == sample.reasons()


def _with_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of the JSON export, which writes whole numbers as texts, with the types of the table."""
    params = [
        param | {"value": param["value"] | {"int_value": None if param["value"]["int_value"] is None else int(param["value"]["int_value"])}}
        for param in row["event_params"]
    ]
    items = [item | {"quantity": None if item["quantity"] is None else int(item["quantity"])} for item in row["items"]]
    return row | {"event_timestamp": int(row["event_timestamp"]), "event_params": params, "items": items}
