"""What a mapping can say, and what lines of a shop mean: lists, orders without items, repeats, currencies, placeholders, visitors."""

import io
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from clickstream_contracts import names
from tests.tools.replay_samples import Event, Replayed, jsonl, own_mapping
from tools.common.command import UsageError
from tools.replay import mapping as mappings
from tools.replay import order_lines, sources
from tools.replay.__main__ import app
from tools.replay.account import Account
from tools.replay.events import Products, map_lines

# The fields of a simple log; tests change some of them.
LOG: dict[str, Any] = {
    "event_time": "at",
    "event_type": "type",
    "session_id": {"from": "session", "optional": True},
    "user_id": {"from": "user", "optional": True},
    "device_id": {"from": "device", "optional": True},
    "product_id": {"from": "product", "optional": True},
    "order_id": {"from": "order", "optional": True},
    "quantity": {"from": "quantity", "optional": True},
    "price": {"from": "price", "optional": True},
    "currency": {"from": "currency", "optional": True},
    "coupon": {"from": "coupon", "optional": True},
    "search_query": {"from": "query", "optional": True},
}
BASKET = LOG | {
    "product_id": {"from": "item.sku", "optional": True},
    "quantity": {"from": "item.n", "optional": True},
    "price": {"from": "item.price", "without_each": "value", "optional": True},
}


def purchase(**values: Any) -> Event:
    return {
        "at": "2025-11-03T09:00:00Z", "type": "purchase", "session": "s-1", "order": "O-1", "product": "p-1", "quantity": 1, "price": 5,
        "currency": "EUR",
    } | values  # fmt: skip


def replay(folder: Path, *lines: Event, fields: dict[str, Any] = LOG, **content: Any) -> Replayed:
    """Read lines with a mapping of its own."""
    return Replayed(jsonl(folder / "log.jsonl", *lines), own_mapping(folder, fields=fields, **content))


# Lists in a line


def test_each_names_a_list_inside_of_an_object(tmp_path: Path) -> None:
    fields = BASKET | {"order_id": "properties.order_id"}
    items = [{"sku": "cup-1", "price": 9.5, "n": 3}, {"sku": "pot-2", "price": 19.0, "n": 1}]
    order = purchase(properties={"order_id": "S-1", "products": items})
    sample = replay(tmp_path, purchase(), order, fields=fields, each={"item": "properties.products"})
    assert sample.columns("order_id", "product_id", "quantity", "price") == [
        (None, None, None, None),
        ("S-1", "cup-1", 3, 9.5),
        ("S-1", "pot-2", 1, 19.0),
    ]


def test_an_element_is_called_each_if_the_mapping_gives_no_name(tmp_path: Path) -> None:
    fields = LOG | {"product_id": "each.sku", "price": "each.price"}
    sample = replay(tmp_path, purchase(items=[{"sku": "a", "price": 1}, {"sku": "b", "price": 2}]), fields=fields, each="items")
    assert sample.columns("product_id", "price") == [("a", 1.0), ("b", 2.0)]


def test_lists_may_be_inside_of_lists_of_plain_values_and_in_a_text_of_json(tmp_path: Path) -> None:
    parcels = [{"skus": ["a", "b"]}, {"skus": ["c"]}, {"skus": []}]
    fields = LOG | {"product_id": {"from": "sku", "optional": True}}
    for line in (purchase(parcels=parcels), purchase(parcels=json.dumps(parcels))):
        sample = replay(tmp_path, line, fields=fields, each={"parcel": "parcels", "sku": "parcel.skus"})
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
    sample = replay(tmp_path, purchase(value=7), fields=BASKET, each={"item": {"from": "items", "optional": True}})
    assert sample.columns("order_id", "price") == [("O-1", 7.0)]


def test_an_element_that_is_no_event_is_left_out_and_others_are_sent(tmp_path: Path) -> None:
    fields = LOG | {"event_type": {"from": "action.type", "values": {"buy": "purchase", "*": None}}}
    visit = purchase(actions=[{"type": "scroll"}, {"type": "buy"}, {"type": "zoom"}])
    sample = replay(tmp_path, visit, purchase(actions=[{"type": "scroll"}]), fields=fields, each={"action": "actions"})
    assert sample.columns("event_type", "order_id") == [("purchase", "O-1")]
    assert sample.reasons() == [(2, "event_type: the mapping leaves this value out: 'scroll'")]


# The value of an order


def test_a_line_without_elements_has_the_value_of_the_whole_order(tmp_path: Path) -> None:
    basket = [{"sku": "sofa-1", "price": 400, "n": 1}, {"sku": "lamp-2", "price": 50, "n": 2}]
    sample = replay(
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


def test_products_without_prices_are_sent_with_one_more_event_for_the_value(tmp_path: Path) -> None:
    sample = replay(
        tmp_path,
        purchase(items=[{"sku": "a"}, {"sku": "b", "n": 2}], value=80),
        purchase(order="O-2", items=[{"sku": "a"}, {"sku": "b", "price": 3}], value=80),
        purchase(order="O-3", items=[{"sku": "a"}]),
        purchase(type="view_item", items=[{"sku": "a"}], value=80),
        fields=BASKET,
        each={"item": "items"},
    )
    assert [[(e.get("product_id"), e.get("price")) for e in events] for events in sample.events_by_line] == [
        [("a", None), ("b", None), (None, 80.0)],
        [("a", None), ("b", 3.0)],
        [("a", None)],
        [("a", None)],
    ]


def test_a_total_is_divided_by_the_pieces_to_the_last_unit_of_the_currency(tmp_path: Path) -> None:
    fields = {name: rule for name, rule in LOG.items() if name != "price"} | {"line_total": "total"}
    sample = replay(
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
    [event] = replay(tmp_path, purchase(price=price, currency="KWD")).events
    sent = json.loads(orjson.dumps(event), parse_float=Decimal)
    assert sent["price"] == Decimal(str(price))


# Returns


def test_a_negative_quantity_is_a_refund_if_the_mapping_says_so(tmp_path: Path) -> None:
    lines = purchase(quantity=2), purchase(quantity=-2), purchase(type="refund", quantity=-1, price=-3), purchase(type="refund", quantity=1)
    sample = replay(tmp_path, *lines, negative_quantity="refund")
    assert sample.columns("event_type", "quantity", "price") == [
        ("purchase", 2, 5.0),
        ("refund", 2, 5.0),
        ("refund", 1, 3.0),
        ("refund", 1, 5.0),
    ]


def test_a_negative_quantity_is_rejected_with_what_to_write_otherwise(tmp_path: Path) -> None:
    sample = replay(tmp_path, purchase(quantity=-2), purchase())
    assert len(sample.events) == 1
    assert sample.reasons() == [(1, "quantity: negative: -2; if it is a return, write `negative_quantity: refund` in the mapping")]


def test_one_line_may_have_a_refund_beside_its_purchase(tmp_path: Path) -> None:
    refund = {
        "when": "refunded",
        "fields": {"event_type": {"constant": "refund"}, "price": "refunded", "quantity": None, "product_id": None},
    }
    lines = (
        purchase(refunded="2.50"),
        purchase(order="O-2", refunded=0),
        purchase(order="O-3", refunded=""),
        purchase(order="O-4", refunded="?"),
    )
    sample = replay(tmp_path, *lines, also=[refund])
    assert sample.columns("event_type", "order_id", "product_id", "quantity", "price") == [
        ("purchase", "O-1", "p-1", 1, 5.0),
        ("refund", "O-1", None, None, 2.5),
        ("purchase", "O-2", "p-1", 1, 5.0),
        ("purchase", "O-3", "p-1", 1, 5.0),
    ]
    assert sample.reasons() == [(4, "refunded: not a number: '?'")]


# Rows of one order


def test_rows_of_one_order_share_values_in_any_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "at,type,session,order,product,quantity,price,currency,refunded\n"
        "2025-11-03T09:00:00Z,purchase,s-1,A,p-1,1,5,EUR,3\n"
        "2025-11-03T10:00:00Z,purchase,s-2,B,p-1,1,5,JPY,\n"
        ",,,A,p-2,1,6,,3\n"
        ",,,B,p-3,1,7,,\n"
        ",,,C,p-3,1,7,,\n"
    )
    refund = {"when": "refunded", "fields": {"event_type": {"constant": "refund"}, "price": "refunded", "product_id": None}}
    rows = {"by": "order", "fill_down": ["at", "type", "session", "currency"], "first_row_only": "refunded"}
    sample = Replayed(path, own_mapping(tmp_path, fields=LOG, also=[refund], multi_row=rows))
    assert sample.columns("event_type", "order_id", "product_id", "price", "currency", "session_id") == [
        ("purchase", "A", "p-1", 5.0, "EUR", "s-1"),
        ("refund", "A", None, 3.0, "EUR", "s-1"),
        ("purchase", "B", "p-1", 5.0, "JPY", "s-2"),
        ("purchase", "A", "p-2", 6.0, "EUR", "s-1"),
        ("purchase", "B", "p-3", 7.0, "JPY", "s-2"),
    ]
    assert sample.reasons() == [(6, "event_time: no value")]


# The same order line again


def test_an_order_line_has_the_same_id_each_time_it_is_sent(tmp_path: Path) -> None:
    reloaded = purchase(at="2025-11-06T11:00:00Z", session="s-9", user="u-1", coupon="X")
    others = [purchase(product="p-2"), purchase(price=6), purchase(quantity=2), purchase(order="O-2"), purchase(type="refund")]
    sample = replay(tmp_path, purchase(), reloaded, purchase(price="5.00"), *others)
    first, second, third, *different = [event["event_id"] for event in sample.events]
    assert first == second == third
    assert len({first, *different}) == 6
    assert sample.orders.repeats == 2


def test_a_repeat_is_counted_also_if_the_file_gives_it_an_id_of_its_own(tmp_path: Path) -> None:
    fields = LOG | {"event_id": "id"}
    sample = replay(tmp_path, purchase(id="a"), purchase(id="b"), purchase(id="c", order="O-2"), fields=fields)
    assert [event["event_id"] for event in sample.events] == ["a", "b", "c"]
    assert sample.orders.repeats == 1


def test_equal_products_of_one_basket_are_pieces_and_no_repeats(tmp_path: Path) -> None:
    items = [
        {"sku": "cup", "price": 5},
        {"sku": "cup", "price": 5, "n": 2},
        {"sku": "cup", "price": 4},
        {"sku": "cup", "price": "5.0", "n": 1},
    ]
    sample = replay(tmp_path, purchase(items=items), purchase(items=items), fields=BASKET, each={"item": "items"})
    assert sample.columns("product_id", "quantity", "price") == [("cup", 4, 5.0), ("cup", None, 4.0)] * 2
    assert (sample.net(), sample.orders.repeats) == (24.0, 2)


def test_events_that_are_no_order_lines_are_never_repeats(tmp_path: Path) -> None:
    view, without_order = purchase(type="view_item"), purchase(order=None)
    sample = replay(tmp_path, view, view, without_order, without_order | {"at": "2025-11-03T09:00:01Z"})
    ids = [event["event_id"] for event in sample.events]
    assert ids[0] == ids[1], "equal lines of a file are one event"
    assert len(set(ids)) == 3
    assert sample.orders.repeats == 0


# Currencies


@pytest.mark.parametrize(("written", "code"), [("eur", "EUR"), (" Usd ", "USD"), ("JPY", "JPY"), ("kwd", "KWD"), ("hrk", "HRK")])
def test_currencies_are_codes_in_capitals(tmp_path: Path, written: str, code: str) -> None:
    assert replay(tmp_path, purchase(currency=written)).columns("currency") == [(code,)]


@pytest.mark.parametrize("written", ["€", "EURO", "XYZ", "US$", "978"])
def test_other_texts_are_rejected_as_currency(tmp_path: Path, written: str) -> None:
    sample = replay(tmp_path, purchase(currency=written))
    assert sample.reasons() == [(1, f"currency: not a code of ISO 4217: {written!r}: use one like EUR")]


def test_an_order_has_one_currency(tmp_path: Path) -> None:
    lines = (
        purchase(order="C-4", currency="USD", price=100),
        purchase(order="C-4", currency="JPY", price=500, product="post-1"),
        purchase(order="C-5", currency="jpy"),
        purchase(order="C-4", currency="usd", product="p-2"),
        purchase(order="C-4", currency=None, product="p-3"),
    )
    sample = replay(tmp_path, *lines)
    assert sample.reasons() == [(2, "currency: another one than the order's earlier lines: order 'C-4' has USD and JPY")]
    assert [event.get("currency") for event in sample.events] == ["USD", "JPY", "USD", None]


def test_a_line_with_products_in_two_currencies_is_rejected_and_leaves_no_trace(tmp_path: Path) -> None:
    fields = BASKET | {"currency": {"from": ["item.currency", "currency"]}}
    mixed = [{"sku": "a", "price": 1, "currency": "USD"}, {"sku": "b", "price": 1, "currency": "EUR"}]
    sample = replay(tmp_path, purchase(items=mixed), purchase(items=mixed[1:]), fields=fields, each={"item": "items"})
    assert [number for number, _ in sample.reasons()] == [1]
    assert sample.columns("product_id", "currency") == [("b", "EUR")]


# Ids and placeholders


@pytest.mark.parametrize(
    "placeholder",
    ["(not set)", "(none)", "(not provided)", "undefined", "null", " null ", "00000000-0000-0000-0000-000000000000", "", None],
)
def test_placeholders_are_no_ids(tmp_path: Path, placeholder: str | None) -> None:
    line = purchase(user=placeholder, device=placeholder, product=placeholder, coupon=placeholder, order=placeholder, session=placeholder)
    [event] = replay(tmp_path, line).events
    assert not {"user_id", "device_id", "product_id", "coupon", "order_id"} & set(event)
    assert event["session_id"] == names.unknown_session(event["event_id"])


@pytest.mark.parametrize("text", ["NA", "NULL", "None", "nan", "N/A", "0", "(other)"])
def test_other_texts_are_ids(tmp_path: Path, text: str) -> None:
    assert replay(tmp_path, purchase(user=text, product=text)).columns("user_id", "product_id") == [(text, text)]


def test_a_mapping_has_placeholders_of_its_own_and_the_next_column_is_read_instead(tmp_path: Path) -> None:
    fields = LOG | {"user_id": {"from": ["user", "guest", "device"]}}
    line = purchase(user="0", guest="(not set)", device="d-1", quantity=0)
    assert replay(tmp_path, line, fields=fields, placeholders=["0"]).columns("user_id", "quantity") == [("d-1", 0)]


def test_people_search_for_placeholders(tmp_path: Path) -> None:
    assert replay(tmp_path, purchase(type="search", query="null")).columns("search_query") == [("null",)]


@pytest.mark.parametrize(
    ("written", "read"),
    [("12001.0", "12001"), (12001.0, "12001"), (12001, "12001"), (" 12001 ", "12001"), ("1.50", "1.50"), ("v1.0", "v1.0"), ("007", "007")],
)
def test_ids_that_were_written_as_numbers_have_no_decimals(tmp_path: Path, written: Any, read: str) -> None:
    line = purchase(user=written, product=written, order=written, device=written)
    assert replay(tmp_path, line).columns("user_id", "product_id", "order_id", "device_id") == [(read, read, read, read)]


def test_parts_of_a_joined_id_are_texts_and_some_may_be_missing(tmp_path: Path) -> None:
    fields = LOG | {
        "session_id": {"from": ["user", "visit"], "join": ".", "optional": True},
        "coupon": {"from": ["a", "b"], "join": "-", "allow_missing": True, "optional": True},
    }
    lines = (
        purchase(user="u", visit=17.0, a="x"),
        purchase(order="2", user="u", visit="(not set)", a="x", b="y"),
        purchase(user="u", visit={}),
    )
    sample = replay(tmp_path, *lines, fields=fields)
    assert sample.columns("session_id", "coupon") == [("u.17", "x"), (sample.events[1]["session_id"], "x-y")]
    assert sample.events[1]["session_id"].startswith("s-")
    assert sample.reasons() == [(3, "session_id: not a text: {}: it is no single value")]


def test_hashed_columns_are_sent_as_hashes_only(tmp_path: Path) -> None:
    fields = LOG | {"user_id": {"from": ["user", "email"], "hash": "email", "optional": True}}
    lines = purchase(user="u-1", email="a@b.example"), purchase(email=" A@B.example"), purchase(order="2", email="a@b.example")
    known, guest, same_guest = replay(tmp_path, *lines, fields=fields).columns("user_id")
    assert known == ("u-1",)
    assert guest == same_guest
    assert len(guest[0]) == 64


def test_a_field_has_a_default_and_a_value_for_lines_with_a_column(tmp_path: Path) -> None:
    fields = LOG | {
        "currency": {"from": "currency", "default": "eur"},
        "event_type": {"if_present": {"sku": "view_item"}, "from": "type"},
    }
    lines = purchase(currency=None), purchase(sku="a", currency="USD"), purchase(sku="", order="2")
    assert replay(tmp_path, *lines, fields=fields).columns("event_type", "currency") == [
        ("purchase", "EUR"),
        ("view_item", "USD"),
        ("purchase", "EUR"),
    ]


# Visitors and sessions


def test_a_session_without_id_is_that_of_the_device_and_goes_on_after_a_sign_in(tmp_path: Path) -> None:
    def at(minute: int, **visitor: Any) -> Event:
        return {"at": f"2025-11-03T09:{minute:02}:00Z", "type": "page_view"} | visitor

    lines = (
        at(0, device="d-1"), at(10, device="d-1", user="u-1"), at(20, device="d-2", user="u-1"), at(25, user="u-1"), at(41, device="d-1"),
        at(50, device="d-1", session="s-7"),
    )  # fmt: skip
    before, after, other_device, no_device, after_gap, own = (e["session_id"] for e in replay(tmp_path, *lines).events)
    assert before == after
    assert len({before, other_device, no_device, after_gap}) == 4
    assert own == "s-7"


def test_events_without_visitor_are_sent_and_counted(tmp_path: Path) -> None:
    nobody = {"session": None, "user": None, "device": None}
    path = jsonl(tmp_path / "log.jsonl", purchase(**nobody), purchase(**nobody, order="O-2", currency=None, price=None), purchase(user="u"))
    rejects = io.StringIO()
    rejects.name = "rejects.csv"
    rules, account = mappings.load(own_mapping(tmp_path, fields=LOG)), Account(rejects)
    events = list(account.events_of(map_lines(sources.read(path), rules, None, Products())))
    assert len({event["session_id"] for event in events}) == 3
    assert account.summary(rules)["gaps"] == {
        "without user and device": 2,
        "in an unknown session": 2,
        "of a purchase or refund without price": 1,
        "of a purchase or refund without currency": 1,
    }


# Wrong mappings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fields": [1]}, "key `fields` is missing"),
        ({"fields": LOG, "eech": "items"}, "unknown key 'eech'"),
        ({"fields": LOG, "each": 5}, "each: 5: give the column of a list"),
        ({"fields": LOG, "each": {"item": {"form": "items"}}}, "each: item: unknown key 'form'"),
        ({"fields": LOG, "each": {"item": None}}, "each: item: None is no column"),
        ({"fields": LOG | {"price": {"from": 7}}}, "price: from: 7 is no column"),
        ({"fields": LOG | {"price": {"from": "a", "optional": "yes"}}}, "price: optional: 'yes' is neither true nor false"),
        ({"fields": LOG | {"price": {"constant": "dear"}}}, "price: constant: price: not a number: 'dear'"),
        ({"fields": LOG | {"currency": {"from": "c", "default": "EURO"}}}, "currency: default: currency: not a code of ISO 4217"),
        ({"fields": LOG | {"event_type": {"from": "t", "values": ["a"]}}}, "event_type: values: .* is no object"),
        ({"fields": LOG | {"line_total": "total"}}, "line_total and price: give only one"),
        ({"fields": LOG, "negative_quantity": "return"}, "negative_quantity: 'return': use refund"),
        ({"fields": LOG, "also": [{"fields": {}}]}, "also: give `when`"),
        ({"fields": LOG, "also": {"when": "x"}}, "also: .* is no list"),
        ({"fields": LOG, "also": [{"when": "x", "fields": {"colour": "c"}}]}, "also: unknown key 'colour'"),
        ({"fields": LOG, "multi_row": {"fill_down": ["a"]}}, "multi_row: give `by`"),
        ({"fields": LOG, "placeholders": "-"}, "placeholders: '-' is no list"),
        ({"fields": LOG, "session_gap_minutes": 0}, "session_gap_minutes: 0: give a whole number"),
        ({"fields": LOG, "products": {"sku": "s"}}, "products: unknown key 'sku'"),
    ],
)
def test_the_error_for_a_wrong_mapping_names_file_and_key(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        mappings.load(own_mapping(tmp_path, **content))
    assert str(caught.value).startswith(str(tmp_path / "own.yaml"))
