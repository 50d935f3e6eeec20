"""Contracts only grow: additions pass; renames, retypes and drops are named."""

import copy
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts import compatibility, schema

RELEASED = Path(__file__).parents[2] / "contracts" / "released"
BASE: Any = {"raw.clicks": {"price": {"type": "decimal(18,2)", "required": False, "choices": []}}}


def test_the_contracts_are_compatible_with_the_last_release() -> None:
    now = compatibility.shape([schema.event(), *schema.tables().values()])
    assert compatibility.breaks(compatibility.released(RELEASED), now) == []


def test_an_optional_field_and_a_new_table_are_additive() -> None:
    new = copy.deepcopy(BASE)
    new["raw.clicks"]["colour"] = {"type": "string", "required": False, "choices": []}
    new["raw.more"] = {}
    assert compatibility.breaks(BASE, new) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("price"), "raw.clicks.price: dropped or renamed"),
        (lambda t: t.update(cost=t.pop("price")), "raw.clicks.price: dropped or renamed"),
        (lambda t: t["price"].update(type="double"), "raw.clicks.price: type decimal(18,2) became double"),
        (lambda t: t["price"].update(required=True), "raw.clicks.price: was optional and became required"),
        (lambda t: t.update(x={"type": "int", "required": True, "choices": []}), "raw.clicks.x: a new field must be optional"),
    ],
)
def test_a_breaking_change_is_named(change: Any, said: str) -> None:
    new = copy.deepcopy(BASE)
    change(new["raw.clicks"])
    assert compatibility.breaks(BASE, new) == [said]


def test_a_dropped_table_and_a_dropped_choice_are_named() -> None:
    old = {"a": {"kind": {"type": "string", "required": True, "choices": ["x", "y"]}}, "b": {}}
    new = {"a": {"kind": {"type": "string", "required": True, "choices": ["x"]}}}
    assert compatibility.breaks(old, new) == ["a.kind: choice y was dropped", "b was dropped"]
