"""Order lines: returns, rows of one order, lines that are sent again, and currencies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.replay_samples import BASKET, LOG, Event, Replayed, own_mapping, purchase, replay_lines
from tools.common.command import UsageError
from tools.replay import mapping as mappings
from tools.replay.events import Mapped, Products, map_lines
from tools.replay.lines import DamagedFile, Line


def test_a_negative_quantity_is_a_refund_if_the_mapping_says_so(tmp_path: Path) -> None:
    lines = purchase(quantity=2), purchase(quantity=-2), purchase(type="refund", quantity=-1, price=-3), purchase(type="refund", quantity=1)
    sample = replay_lines(tmp_path, *lines, negative_quantity="refund")
    assert sample.columns("event_type", "quantity", "price") == [
        ("purchase", 2, 5.0),
        ("refund", 2, 5.0),
        ("refund", 1, 3.0),
        ("refund", 1, 5.0),
    ]


def test_a_negative_quantity_is_rejected_with_what_to_write_otherwise(tmp_path: Path) -> None:
    sample = replay_lines(tmp_path, purchase(quantity=-2), purchase())
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
    sample = replay_lines(tmp_path, *lines, also=[refund])
    assert sample.columns("event_type", "order_id", "product_id", "quantity", "price") == [
        ("purchase", "O-1", "p-1", 1, 5.0),
        ("refund", "O-1", None, None, 2.5),
        ("purchase", "O-2", "p-1", 1, 5.0),
        ("purchase", "O-3", "p-1", 1, 5.0),
    ]
    assert sample.reasons() == [(4, "refunded: not a number: '?'")]


def test_a_file_without_the_column_of_refunds_is_an_error_unless_the_mapping_allows_it(tmp_path: Path) -> None:
    refund: dict[str, Any] = {"when": "refunded", "fields": {"event_type": {"constant": "refund"}, "price": "refunded"}}
    with pytest.raises(UsageError, match="no column 'refunded', which mapping own reads another event of a line from"):
        replay_lines(tmp_path, purchase(), also=[refund])
    assert len(replay_lines(tmp_path, purchase(), also=[refund | {"optional": True}]).events) == 1


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


def test_equal_rows_of_an_order_in_a_list_of_orders_are_pieces(tmp_path: Path) -> None:
    """A shop's export has a row for each line of an order: two equal rows are two variants that share a number."""
    path = tmp_path / "orders.csv"
    shirt, cap = "2025-11-03T09:00:00Z,purchase,s,A,shirt,1,20,EUR\n", "2025-11-03T09:00:00Z,purchase,s,A,cap,2,5,EUR\n"
    cheaper, other_order = shirt.replace(",20,", ",19,"), shirt.replace(",A,", ",B,")
    header = "at,type,session,order,product,quantity,price,currency\n"
    path.write_text(header + shirt + cap + shirt + cheaper + "cut off,A\n" + other_order + shirt)
    sample = Replayed(path, own_mapping(tmp_path, fields=LOG, multi_row={"by": "order"}))
    assert sample.columns("order_id", "product_id", "quantity", "price") == [
        ("A", "shirt", 2, 20.0),
        ("A", "cap", 2, 5.0),
        ("A", "shirt", 1, 19.0),
        ("B", "shirt", 1, 20.0),
        ("A", "shirt", 1, 20.0),
    ]
    assert len(sample.events_by_line) + len(sample.rejected) == sample.lines == 7
    first, again = sample.events[0], Replayed(path, own_mapping(tmp_path, fields=LOG, multi_row={"by": "order"})).events[0]
    assert first["event_id"] == again["event_id"] != sample.events[-1]["event_id"]


def test_rows_before_a_damage_are_sent(tmp_path: Path) -> None:
    rules = mappings.load(own_mapping(tmp_path, fields=LOG, multi_row={"by": "order"}))

    def damaged_lines() -> Iterator[Line]:
        yield from (Line(number, str(number), purchase()) for number in (1, 2))
        raise DamagedFile("cut off")

    results = map_lines(damaged_lines(), rules, None, Products())
    first, second = next(results), next(results)
    with pytest.raises(DamagedFile):
        next(results)
    assert isinstance(first, Mapped)
    assert isinstance(second, Mapped)
    assert ([event["quantity"] for event in first.events], second.events) == ([2], [])


def test_rows_of_a_log_are_not_added_up(tmp_path: Path) -> None:
    sample = replay_lines(tmp_path, purchase(), purchase())
    assert (sample.columns("quantity"), sample.orders.repeats) == ([(1,), (1,)], 1)


def test_an_order_line_has_the_same_id_each_time_it_is_sent(tmp_path: Path) -> None:
    reloaded = purchase(at="2025-11-06T11:00:00Z", session="s-9", user="u-1", coupon="X")
    others = [purchase(product="p-2"), purchase(price=6), purchase(quantity=2), purchase(order="O-2"), purchase(type="refund")]
    sample = replay_lines(tmp_path, purchase(), reloaded, purchase(price="5.00"), *others)
    first, second, third, *different = [event["event_id"] for event in sample.events]
    assert first == second == third
    assert len({first, *different}) == 6
    assert sample.orders.repeats == 2


def test_pieces_of_a_product_that_are_returned_one_by_one_are_no_repeats(tmp_path: Path) -> None:
    def refund(day: int, **values: Any) -> Event:
        return purchase(at=f"2025-11-{day:02}T09:00:00Z", type="refund", **values)

    sample = replay_lines(tmp_path, purchase(quantity=2), refund(4), refund(5), refund(5), refund(6, product=None), refund(7, product=None))
    _, first, second, second_again, whole, whole_again = (event["event_id"] for event in sample.events)
    assert second == second_again
    assert whole == whole_again
    assert len({first, second, whole}) == 3
    assert sample.orders.repeats == 2


def test_a_repeat_is_counted_also_if_the_file_gives_it_an_id_of_its_own(tmp_path: Path) -> None:
    fields = LOG | {"event_id": "id"}
    sample = replay_lines(tmp_path, purchase(id="a"), purchase(id="b"), purchase(id="c", order="O-2"), fields=fields)
    assert [event["event_id"] for event in sample.events] == ["a", "b", "c"]
    assert sample.orders.repeats == 1


def test_equal_products_of_one_basket_are_pieces_and_no_repeats(tmp_path: Path) -> None:
    items = [
        {"sku": "cup", "price": 5},
        {"sku": "cup", "price": 5, "n": 2},
        {"sku": "cup", "price": 4},
        {"sku": "cup", "price": "5.0", "n": 1},
    ]
    sample = replay_lines(tmp_path, purchase(items=items), purchase(items=items), fields=BASKET, each={"item": "items"})
    assert sample.columns("product_id", "quantity", "price") == [("cup", 4, 5.0), ("cup", None, 4.0)] * 2
    assert (sample.net(), sample.orders.repeats) == (24.0, 2)


def test_events_that_are_no_order_lines_are_never_repeats(tmp_path: Path) -> None:
    view, without_order = purchase(type="view_item"), purchase(order=None)
    sample = replay_lines(tmp_path, view, view, without_order, without_order | {"at": "2025-11-03T09:00:01Z"})
    ids = [event["event_id"] for event in sample.events]
    assert ids[0] == ids[1], "equal lines of a file are one event"
    assert len(set(ids)) == 3
    assert sample.orders.repeats == 0


@pytest.mark.parametrize(("written", "code"), [("eur", "EUR"), (" Usd ", "USD"), ("JPY", "JPY"), ("kwd", "KWD"), ("hrk", "HRK")])
def test_currencies_are_codes_in_capitals(tmp_path: Path, written: str, code: str) -> None:
    assert replay_lines(tmp_path, purchase(currency=written)).columns("currency") == [(code,)]


@pytest.mark.parametrize("written", ["€", "EURO", "XYZ", "US$", "978"])
def test_other_texts_are_rejected_as_currency(tmp_path: Path, written: str) -> None:
    sample = replay_lines(tmp_path, purchase(currency=written))
    assert sample.reasons() == [(1, f"currency: not a code of ISO 4217: {written!r}: use one like EUR")]


def test_an_order_has_one_currency(tmp_path: Path) -> None:
    lines = (
        purchase(order="C-4", currency="USD", price=100),
        purchase(order="C-4", currency="JPY", price=500, product="post-1"),
        purchase(order="C-5", currency="jpy"),
        purchase(order="C-4", currency="usd", product="p-2"),
        purchase(order="C-4", currency=None, product="p-3"),
    )
    sample = replay_lines(tmp_path, *lines)
    assert sample.reasons() == [(2, "currency: another one than the order's earlier lines: order 'C-4' has USD and JPY")]
    assert [event.get("currency") for event in sample.events] == ["USD", "JPY", "USD", None]


def test_a_line_with_products_in_two_currencies_is_rejected_and_leaves_no_trace(tmp_path: Path) -> None:
    fields = BASKET | {"currency": {"from": ["item.currency", "currency"]}}
    mixed = [{"sku": "a", "price": 1, "currency": "USD"}, {"sku": "b", "price": 1, "currency": "EUR"}]
    sample = replay_lines(tmp_path, purchase(items=mixed), purchase(items=mixed[1:]), fields=fields, each={"item": "items"})
    assert [number for number, _ in sample.reasons()] == [1]
    assert sample.columns("product_id", "currency") == [("b", "EUR")]
