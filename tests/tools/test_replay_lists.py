"""Lists in a line: `each` makes an event of each element, and a line without elements has the value of the whole order."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from tests.tools.replay_samples import BASKET, LOG, jsonl, own_mapping, purchase, replay_lines
from tools.replay import order_lines
from tools.replay.__main__ import app


def test_each_names_a_list_inside_of_an_object(tmp_path: Path) -> None:
    fields = BASKET | {"order_id": "properties.order_id"}
    items = [{"sku": "cup-1", "price": 9.5, "n": 3}, {"sku": "pot-2", "price": 19.0, "n": 1}]
    order = purchase(properties={"order_id": "S-1", "products": items})
    sample = replay_lines(tmp_path, purchase(), order, fields=fields, each={"item": "properties.products"})
    assert sample.columns("order_id", "product_id", "quantity", "price") == [
        (None, None, None, None),
        ("S-1", "cup-1", 3, 9.5),
        ("S-1", "pot-2", 1, 19.0),
    ]


def test_an_element_is_called_each_if_the_mapping_gives_no_name(tmp_path: Path) -> None:
    fields = LOG | {"product_id": "each.sku", "price": "each.price"}
    sample = replay_lines(tmp_path, purchase(items=[{"sku": "a", "price": 1}, {"sku": "b", "price": 2}]), fields=fields, each="items")
    assert sample.columns("product_id", "price") == [("a", 1.0), ("b", 2.0)]


def test_lists_may_be_inside_of_lists_of_plain_values_and_in_a_text_of_json(tmp_path: Path) -> None:
    parcels = [{"skus": ["a", "b"]}, {"skus": ["c"]}, {"skus": []}]
    fields = LOG | {"product_id": {"from": "sku", "optional": True}}
    for line in (purchase(parcels=parcels), purchase(parcels=json.dumps(parcels))):
        sample = replay_lines(tmp_path, line, fields=fields, each={"parcel": "parcels", "sku": "parcel.skus"})
        assert sample.columns("product_id", "order_id") == [("a", "O-1"), ("b", "O-1"), ("c", "O-1"), (None, "O-1")]


@pytest.mark.parametrize(
    "each", ["properties.items", {"item": {"from": ["properties.items", "positions"]}}, {"a": "properties", "b": "a.x"}]
)
def test_a_list_that_no_line_has_is_one_error_before_anything_is_sent(tmp_path: Path, each: Any) -> None:
    path = jsonl(tmp_path / "log.jsonl", *[purchase(properties={"products": [{"sku": "a"}]})] * 3)
    done = CliRunner().invoke(app, ["--file", str(path), "--mapping", own_mapping(tmp_path, fields=LOG, each=each), "--dry-run"])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "each: no line has a list 'propert" in done.stderr
    assert "correct its name in mapping own, or add `optional: true`" in done.stderr


def test_a_list_that_may_be_missing_is_no_error(tmp_path: Path) -> None:
    sample = replay_lines(tmp_path, purchase(value=7), fields=BASKET, each={"item": {"from": "items", "optional": True}})
    assert sample.columns("order_id", "price") == [("O-1", 7.0)]


def test_an_element_that_is_no_event_is_left_out_and_others_are_sent(tmp_path: Path) -> None:
    fields = LOG | {"event_type": {"from": "action.type", "values": {"buy": "purchase", "*": None}}}
    visit = purchase(actions=[{"type": "scroll"}, {"type": "buy"}, {"type": "zoom"}])
    sample = replay_lines(tmp_path, visit, purchase(actions=[{"type": "scroll"}]), fields=fields, each={"action": "actions"})
    assert sample.columns("event_type", "order_id") == [("purchase", "O-1")]
    assert sample.reasons() == [(2, "event_type: the mapping leaves this value out: 'scroll'")]


def test_a_line_without_elements_has_the_value_of_the_whole_order(tmp_path: Path) -> None:
    basket = [{"sku": "sofa-1", "price": 400, "n": 1}, {"sku": "lamp-2", "price": 50, "n": 2}]
    sample = replay_lines(
        tmp_path,
        purchase(order="W-1", items=basket, value=500),
        purchase(order="W-1", type="refund", items=[], value=500),
        purchase(order="W-2", value=80),
        fields=BASKET,
        each={"item": "items"},
    )
    assert sample.columns("event_type", "product_id", "quantity", "price") == [
        ("purchase", "sofa-1", 1, 400.0),
        ("purchase", "lamp-2", 2, 50.0),
        ("refund", None, None, 500.0),
        ("purchase", None, None, 80.0),
    ]
    assert sample.net() == 80.0


def test_products_without_prices_have_the_value_of_the_order_between_them(tmp_path: Path) -> None:
    sample = replay_lines(
        tmp_path,
        purchase(items=[{"sku": "a", "n": 3}], value=10),
        purchase(order="O-1", items=[{"sku": "a"}, {"sku": "b", "n": 2}], value=80),
        purchase(order="O-2", items=[{"sku": "a"}, {"sku": "b", "price": 3}], value=80),
        purchase(order="O-3", items=[{"sku": "a"}]),
        purchase(type="view_item", items=[{"sku": "a"}], value=80),
        fields=BASKET,
        each={"item": "items"},
    )
    assert [[(e.get("product_id"), e.get("quantity"), e.get("price")) for e in events] for events in sample.events_by_line] == [
        [("a", 2, 3.33), ("a", 1, 3.34)],
        [("a", None, None), ("b", 2, None), (None, None, 80.0)],
        [("a", None, None), ("b", None, 3.0)],
        [("a", None, None)],
        [("a", None, None)],
    ]


def test_a_total_is_divided_by_the_pieces_to_the_last_unit_of_the_currency(tmp_path: Path) -> None:
    fields = {name: rule for name, rule in LOG.items() if name != "price"} | {"line_total": "total"}
    sample = replay_lines(
        tmp_path,
        purchase(order="A", total="10.00", quantity=3),
        purchase(order="B", total=1000, quantity=3, currency="JPY"),
        purchase(order="C", total="1.000", quantity=7, currency="KWD"),
        purchase(order="D", total="9.999", quantity=1),
        purchase(order="E", total="9.00", quantity=3),
        fields=fields,
    )
    assert [[(e["quantity"], e["price"]) for e in events] for events in sample.events_by_line] == [
        [(2, 3.33), (1, 3.34)],
        [(2, 333.0), (1, 334.0)],
        [(1, 0.142), (6, 0.143)],
        [(1, 10.0)],
        [(3, 3.0)],
    ]


@pytest.mark.parametrize(
    ("total", "reason"), [(1e308, "line_total: out of range"), ("1e400", "price: not a number"), ("?", "price: not a number")]
)
def test_a_total_that_cannot_be_divided_is_rejected(tmp_path: Path, total: Any, reason: str) -> None:
    fields = {name: rule for name, rule in LOG.items() if name != "price"} | {"line_total": "total"}
    sample = replay_lines(tmp_path, purchase(total=total, quantity=3), purchase(order="2", total=1), fields=fields)
    assert [rejected.reason for rejected in sample.rejected] == [reason]
    assert len(sample.events) == 1


def test_any_total_is_the_exact_sum_of_its_parts() -> None:
    generator = random.Random(7)
    for _ in range(2000):
        currency, digits = generator.choice([("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
        total, pieces = Decimal(generator.randrange(10**9)).scaleb(-digits), generator.randrange(1, 10_000)
        parts = list(order_lines.split_total(total, pieces, currency))
        assert sum(quantity for quantity, _ in parts) == pieces
        assert sum(quantity * Decimal(repr(price)) for quantity, price in parts) == total
        assert len(parts) <= 2


@pytest.mark.parametrize("price", [1.234, "1.234", "0.001", 999_999_999.999])
def test_prices_of_three_decimals_are_exact_on_the_wire(tmp_path: Path, price: Any) -> None:
    [event] = replay_lines(tmp_path, purchase(price=price, currency="KWD")).events
    sent = json.loads(orjson.dumps(event), parse_float=Decimal)
    assert sent["price"] == Decimal(str(price))
