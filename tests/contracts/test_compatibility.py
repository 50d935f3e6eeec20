"""Contracts only grow: additions pass; drops, renames, other types, narrower limits and other keys are reported."""

import copy
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts import compatibility, schema

RELEASED = Path(__file__).parents[2] / "contracts" / "released"
PRICE = {"type": "decimal(18,2)", "required": False, "minimum": 0, "maximum": 1000}
NAME = {"type": "string", "required": True, "max_length": 128}
KIND = {"type": "string", "required": True, "choices": ["x", "y"]}
BASE: Any = {
    "raw.clicks": {
        "keys": ["name", "kind"],
        "partitioning": ["day(event_time)"],
        "fields": {"price": PRICE, "name": NAME, "kind": KIND},
    }
}


def test_the_contracts_are_compatible_with_the_last_release() -> None:
    current = compatibility.shape([schema.event(), *schema.tables().values()])
    assert compatibility.breaking_changes(compatibility.released(RELEASED), current) == []


def test_the_file_of_a_release_is_written_as_it_is_read() -> None:
    [newest] = RELEASED.glob("*.json")
    assert compatibility.release_text(compatibility.released(RELEASED)) == newest.read_text()


def test_a_shape_holds_the_facts_of_the_contracts() -> None:
    shape = compatibility.shape([schema.event(), *schema.tables().values()])
    assert shape["raw.clicks"]["keys"] == ["kafka_partition", "kafka_offset"]
    assert shape["raw.clicks"]["partitioning"] == ["day(ingested_at)"]
    assert shape["click.v1"]["fields"]["latitude"] == {"type": "double", "required": False, "minimum": -90, "maximum": 90}
    assert "purchase" in shape["click.v1"]["fields"]["event_type"]["choices"]


def widen_limits(contract: Any) -> None:
    contract["fields"]["price"] |= {"minimum": -1, "maximum": 2000}
    del contract["fields"]["name"]["max_length"]
    contract["fields"]["kind"]["choices"].append("z")


def test_an_optional_field_a_new_table_and_wider_limits_are_additions() -> None:
    new = copy.deepcopy(BASE)
    new["raw.clicks"]["fields"]["colour"] = {"type": "string", "required": False}
    new["raw.more"] = {"keys": [], "partitioning": [], "fields": {}}
    widen_limits(new["raw.clicks"])
    new["raw.clicks"]["fields"]["price"]["type"] = "decimal(38,2)"
    assert compatibility.breaking_changes(BASE, new) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields.pop("price"), "raw.clicks.price: dropped or renamed"),
        (lambda fields: fields.update(cost=fields.pop("price")), "raw.clicks.price: dropped or renamed"),
        (lambda fields: fields["price"].update(type="double"), "raw.clicks.price: type decimal(18,2) became double"),
        (lambda fields: fields["price"].update(type="decimal(16,2)"), "raw.clicks.price: type decimal(18,2) became decimal(16,2)"),
        (lambda fields: fields["price"].update(type="decimal(38,4)"), "raw.clicks.price: type decimal(18,2) became decimal(38,4)"),
        (lambda fields: fields["price"].update(required=True), "raw.clicks.price: was optional and became required"),
        (lambda fields: fields["name"].update(required=False), "raw.clicks.name: was required and became optional"),
        (lambda fields: fields.update(x={"type": "int", "required": True}), "raw.clicks.x: a new field must be optional"),
        (lambda fields: fields["kind"].update(choices=["x"]), "raw.clicks.kind: choice y was dropped"),
        (lambda fields: fields["name"].update(choices=["x"]), "raw.clicks.name: had any value and became one of x"),
        (lambda fields: fields["price"].update(minimum=1), "raw.clicks.price: minimum 0 became 1"),
        (lambda fields: fields["price"].update(maximum=999), "raw.clicks.price: maximum 1000 became 999"),
        (lambda fields: fields["name"].update(max_length=64), "raw.clicks.name: max_length 128 became 64"),
        (lambda fields: fields["kind"].update(max_length=64), "raw.clicks.kind: max_length 64 was added"),
    ],
)
def test_a_breaking_change_of_a_field_is_reported(change: Any, message: str) -> None:
    new = copy.deepcopy(BASE)
    change(new["raw.clicks"]["fields"])
    assert compatibility.breaking_changes(BASE, new) == [message]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ["name"]}, "raw.clicks: primary key (name, kind) became (name)"),
        ({"keys": ["kind", "name"]}, "raw.clicks: primary key (name, kind) became (kind, name)"),
        ({"partitioning": []}, "raw.clicks: partitioning (day(event_time)) became ()"),
        ({"partitioning": ["event_day"]}, "raw.clicks: partitioning (day(event_time)) became (event_day)"),
    ],
)
def test_another_key_or_partitioning_is_reported(change: dict[str, list[str]], message: str) -> None:
    new = {"raw.clicks": BASE["raw.clicks"] | change}
    assert compatibility.breaking_changes(BASE, new) == [message]


def test_a_partition_transform_may_become_another_one() -> None:
    new = {"raw.clicks": BASE["raw.clicks"] | {"partitioning": ["day(ingested_at)"]}}
    assert compatibility.breaking_changes(BASE, new) == []


def test_a_dropped_table_is_reported() -> None:
    assert compatibility.breaking_changes(BASE, {}) == ["raw.clicks was dropped"]
