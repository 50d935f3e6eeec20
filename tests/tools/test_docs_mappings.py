"""The page on mappings: its examples work, and it names every bundled mapping and every key."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.tools.replay_samples import Replayed, jsonl
from tools.lake import master_data_files
from tools.replay import field_rule, placeholders
from tools.replay import mapping as mappings

PAGE = (Path(__file__).parents[2] / "docs" / "mappings.md").read_text()
EVENTS, MASTER_DATA = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.parametrize("name", sorted({*mappings.KEYS, *field_rule.KEYS, mappings.TOTAL, *mappings.MULTI_ROW_KEYS} - {"description"}))
def test_every_key_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE or f"{name}:" in PAGE


def test_every_bundled_mapping_is_listed() -> None:
    assert {f"`{path.stem}`" for path in mappings.BUNDLED.glob("*.yaml")} <= set(re.findall(r"^\| (`[a-z0-9-]+`) \|", PAGE, re.M))


def test_every_default_placeholder_is_named() -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    assert {text for text in placeholders.DEFAULT if f"`{text}`" not in PAGE} == {zeros}


def line(kind: str, *lines: dict[str, Any], **order: Any) -> dict[str, Any]:
    return {
        "created": "2025-11-03 10:00:00",
        "kind": kind,
        "visitor": "v-1",
        "visit": 7,
        "order": {"lines": list(lines), "number": 1, **order},
    }


def test_the_example_of_events_works(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(EVENTS)
    path = jsonl(
        tmp_path / "log.jsonl",
        line("sale", {"sku": "a", "name": "Cup", "pieces": 2, "price": 3.5}, {"sku": "-", "name": "Pot", "pieces": -1, "price": 4}),
        line("sale", total=9, currency="chf", number=2),
        line("stock"),
    )
    sample = Replayed(path, str(tmp_path / "own.yaml"))
    assert sample.columns("event_type", "product_id", "quantity", "price", "currency", "session_id", "event_time") == [
        ("purchase", "a", 2, 3.5, "EUR", "v-1.7", 1762160400000),
        ("refund", "Pot", 1, 4.0, "EUR", "v-1.7", 1762160400000),
        ("purchase", None, None, 9.0, "CHF", "v-1.7", 1762160400000),
    ]
    assert sample.reasons() == [(3, "event_type: the mapping leaves this value out: 'stock'")]


def test_the_example_of_users_and_products_works(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(MASTER_DATA)
    rules = mappings.load_any(str(tmp_path / "own.yaml"))
    (tmp_path / "users.csv").write_text("Kundennummer;Land;Gruppe;Kunde seit\n17;de;2;01.06.2025\n")
    (tmp_path / "products.csv").write_text("SKU;Title;Variant;Price;Status\nK-1;Mug;large;19.50;archived\n")
    [user] = master_data_files.read(tmp_path / "users.csv", "landing.users", rules).to_pylist()
    [product] = master_data_files.read(tmp_path / "products.csv", "landing.products", rules).to_pylist()
    assert (user["user_id"], user["country"], user["segment"], user["signed_up_at"].isoformat()[:10]) == ("17", "DE", "trade", "2025-06-01")
    assert (product["product_id"], product["name"], str(product["list_price"])) == ("K-1", "Mug, large", "19.50")
    assert (product["currency"], product["deleted"]) == ("EUR", True)
