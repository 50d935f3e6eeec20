"""Fields of a mapping: ids, placeholders, joined and hashed columns, visitors and sessions, and the errors of wrong mappings."""

import io
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts import names
from tests.tools.replay_samples import LOG, Event, Replayed, jsonl, own_mapping, purchase, replay_lines
from tools.common.command import UsageError
from tools.replay import mapping as mappings
from tools.replay import sources
from tools.replay.account import Account
from tools.replay.events import Products, map_lines


@pytest.mark.parametrize(
    "placeholder",
    ["(not set)", "(none)", "(not provided)", "undefined", "null", " null ", "00000000-0000-0000-0000-000000000000", "", None],
)
def test_placeholders_are_no_ids(tmp_path: Path, placeholder: str | None) -> None:
    line = purchase(user=placeholder, device=placeholder, product=placeholder, coupon=placeholder, order=placeholder, session=placeholder)
    [event] = replay_lines(tmp_path, line).events
    assert not {"user_id", "device_id", "product_id", "coupon", "order_id"} & set(event)
    assert event["session_id"] == names.unknown_session(event["event_id"])


@pytest.mark.parametrize("text", ["NA", "NULL", "None", "nan", "N/A", "0", "(other)"])
def test_other_texts_are_ids(tmp_path: Path, text: str) -> None:
    assert replay_lines(tmp_path, purchase(user=text, product=text)).columns("user_id", "product_id") == [(text, text)]


def test_a_mapping_has_placeholders_of_its_own_and_the_next_column_is_read_instead(tmp_path: Path) -> None:
    fields = LOG | {"user_id": {"from": ["user", "guest", "device"]}}
    line = purchase(user="0", guest="(not set)", device="d-1", quantity=0)
    assert replay_lines(tmp_path, line, fields=fields, placeholders=["0"]).columns("user_id", "quantity") == [("d-1", 0)]


def test_people_search_for_placeholders(tmp_path: Path) -> None:
    assert replay_lines(tmp_path, purchase(type="search", query="null")).columns("search_query") == [("null",)]


def test_names_of_columns_and_keys_may_have_dots(tmp_path: Path) -> None:
    path = tmp_path / "flat.csv"
    path.write_text("at,type,properties.product_id,user.id,session.id\n2025-11-03T09:00:00Z,purchase,p-1,u-1,s-1\n")
    fields = LOG | {"product_id": "properties.product_id", "user_id": "user.id", "session_id": "session.id"}
    assert Replayed(path, own_mapping(tmp_path, fields=fields)).columns("product_id", "user_id", "session_id") == [("p-1", "u-1", "s-1")]
    fields = LOG | {"product_id": "attributes.product.id", "user_id": "attributes.user.id", "session_id": "attributes.session.id"}
    nested = {"session.id": "s-1", "user.id": "u-1", "product.id": "p-1", "product": {"id": "the longest name counts"}}
    sample = replay_lines(tmp_path, purchase(attributes=nested), fields=fields)
    assert sample.columns("product_id", "user_id", "session_id") == [("p-1", "u-1", "s-1")]


@pytest.mark.parametrize(
    ("written", "read"),
    [("12001.0", "12001"), (12001.0, "12001"), (12001, "12001"), (" 12001 ", "12001"), ("1.50", "1.50"), ("v1.0", "v1.0"), ("007", "007")],
)
def test_ids_that_were_written_as_numbers_have_no_decimals(tmp_path: Path, written: Any, read: str) -> None:
    line = purchase(user=written, product=written, order=written, device=written)
    assert replay_lines(tmp_path, line).columns("user_id", "product_id", "order_id", "device_id") == [(read, read, read, read)]


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
    sample = replay_lines(tmp_path, *lines, fields=fields)
    assert sample.columns("session_id", "coupon") == [("u.17", "x"), (sample.events[1]["session_id"], "x-y")]
    assert sample.events[1]["session_id"].startswith("s-")
    assert sample.reasons() == [(3, "session_id: not a text: {}: it is no single value")]


def test_hashed_columns_are_sent_as_hashes_only(tmp_path: Path) -> None:
    fields = LOG | {"user_id": {"from": ["user", "email"], "hash": "email", "optional": True}}
    lines = purchase(user="u-1", email="a@b.example"), purchase(email=" A@B.example"), purchase(order="2", email="a@b.example")
    known, guest, same_guest = replay_lines(tmp_path, *lines, fields=fields).columns("user_id")
    assert known == ("u-1",)
    assert guest == same_guest
    assert len(guest[0]) == 64


def test_texts_that_are_no_unicode_have_ids_too(tmp_path: Path) -> None:
    """Python reads a half of a surrogate pair from JSON that has NaN, too."""
    path = tmp_path / "log.jsonl"
    path.write_text('{"at": 1762160400, "type": "purchase", "user": "\\ud800", "order": "\\ud800", "price": 5, "x": NaN}\n')
    fields = LOG | {"user_id": {"from": "user", "hash": "user"}}
    results = map_lines(sources.read(path), mappings.load(own_mapping(tmp_path, fields=fields)), None, Products())
    [result] = results
    assert "cannot be mapped" not in str(result)


def test_a_field_has_a_default_and_a_value_for_lines_with_a_column(tmp_path: Path) -> None:
    fields = LOG | {
        "currency": {"from": "currency", "default": "eur"},
        "event_type": {"if_present": {"sku": "view_item"}, "from": "type"},
    }
    lines = purchase(currency=None), purchase(sku="a", currency="USD"), purchase(sku="", order="2")
    assert replay_lines(tmp_path, *lines, fields=fields).columns("event_type", "currency") == [
        ("purchase", "EUR"),
        ("view_item", "USD"),
        ("purchase", "EUR"),
    ]


def test_a_session_without_id_is_that_of_the_device_and_goes_on_after_a_sign_in(tmp_path: Path) -> None:
    def at(minute: int, **visitor: Any) -> Event:
        return {"at": f"2025-11-03T09:{minute:02}:00Z", "type": "page_view"} | visitor

    lines = (
        at(0, device="d-1"), at(10, device="d-1", user="u-1"), at(20, device="d-2", user="u-1"), at(25, user="u-1"), at(41, device="d-1"),
        at(50, device="d-1", session="s-7"),
    )  # fmt: skip
    before, after, other_device, no_device, after_gap, own = (e["session_id"] for e in replay_lines(tmp_path, *lines).events)
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
