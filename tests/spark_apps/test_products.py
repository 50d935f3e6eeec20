"""Versions of products: a deletion ends them, and a state that lacks an attribute does not erase it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from spark_apps.audits import app as audits
from spark_apps.dimensions import app as dimensions
from spark_apps.features import app as features
from tests.spark_apps.local_lake import LocalLake, at
from tests.spark_apps.planted import plant, set_columns

Row = tuple[Any, ...]


def state(when: str, product: str = "p1", **attributes: Any) -> dict[str, Any]:
    return {"product_id": product, "updated_at": at(when)} | attributes


def versions(lake: LocalLake, *columns: str) -> list[Row]:
    """Returns columns, the day of January on which each version of p1 begins and the one on which it ends, and is_current."""
    assert lake.run(dimensions)[0] == 0
    days = ("day(valid_from)", "day(valid_to)", "is_current")
    rows = lake.table("curated.products").where("product_id = 'p1'").orderBy("valid_from").selectExpr(*columns, *days).collect()
    return [tuple(row) for row in rows]


def versions_with_errors(lake: LocalLake) -> int:
    return audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / "products_versions.sql")).rows


def test_a_state_that_lacks_attributes_keeps_the_earlier_ones(lake: LocalLake) -> None:
    mug: dict[str, Any] = {"name": "Mug", "category": "cups", "brand": "acme", "list_price": Decimal("9.90"), "currency": "EUR"}
    lake.insert(
        "landing.products",
        state("1 00:00", **mug),
        state("2 00:00"),  # a file of ids: nothing changes
        state("3 00:00", list_price=Decimal("8.50")),
        state("4 00:00", name="Large mug", brand="acme"),
    )
    assert versions(lake, "name", "category", "brand", "string(list_price)", "currency") == [
        ("Mug", "cups", "acme", "9.90", "EUR", 1, 3, False),
        ("Mug", "cups", "acme", "8.50", "EUR", 3, 4, False),
        ("Large mug", "cups", "acme", "8.50", "EUR", 4, None, True),
    ]


def test_of_two_states_of_one_instant_the_one_with_the_attribute_counts(lake: LocalLake) -> None:
    lake.insert("landing.products", state("1 00:00", category=None), state("1 00:00", category="cups"))
    assert versions(lake, "category") == [("cups", 1, None, True)]


def test_a_deletion_ends_the_version_and_a_later_state_begins_another_one(lake: LocalLake) -> None:
    lake.insert("landing.products", state("1 00:00", name="Mug"), state("5 00:00", deleted=True), state("6 00:00", deleted=True))
    assert versions(lake, "name") == [("Mug", 1, 5, False)]
    assert versions_with_errors(lake) == 0
    lake.insert("landing.products", state("9 00:00", deleted=False))
    assert versions(lake, "name") == [("Mug", 1, 5, False), ("Mug", 9, None, True)]
    assert versions_with_errors(lake) == 0
    audit = audits.read_audit(audits.FOLDER / "products_versions.sql")
    for change in ({"valid_to": "valid_to + INTERVAL 1 DAY"}, {"is_current": "true"}, {"valid_to": "CAST(NULL AS TIMESTAMP)"}):
        assert audits.run_audit(plant(lake.lake, "curated.products", set_columns(**change)), audit).rows > 0, change


def test_a_product_that_was_only_ever_deleted_has_no_version(lake: LocalLake) -> None:
    lake.insert("landing.products", state("1 00:00", name="Mug", deleted=True))
    assert versions(lake, "name") == []


def view(number: int, when: str, product: str, session: str = "s") -> dict[str, Any]:
    return {"event_id": f"v{number}", "event_type": "view_item", "event_time": when, "session_id": session, "product_id": product}


def test_events_after_a_deletion_that_is_reported_late_have_no_version(new_lake: Callable[[], LocalLake]) -> None:
    lake = new_lake()
    lake.insert("landing.products", state("1 00:00", category="cups"))
    lake.send(view(1, "2 10:00", "p1"), view(2, "3 10:00", "p1", "t"))
    lake.publish_unaudited(run="one", day="2026-01-03")
    assert lake.rows("curated.events", "event_id", "product_category") == [("v1", "cups"), ("v2", "cups")]
    lake.insert("landing.products", state("3 00:00", deleted=True))
    lake.send(view(3, "4 10:00", "p2"))
    lake.publish_unaudited(run="two", day="2026-01-04")
    assert lake.rows("curated.events", "event_id", "product_category") == [("v1", "cups"), ("v2", None), ("v3", None)]
    # The deletion is taken back.
    lake.insert("landing.products", state("3 00:00:01", deleted=False))
    lake.nightly(run="three", day="2026-01-04")
    assert lake.rows("curated.events", "event_id", "product_category") == [("v1", "cups"), ("v2", "cups"), ("v3", None)]


def test_deleted_products_are_not_recommended(lake: LocalLake) -> None:
    lake.insert("landing.products", state("1 00:00", "p1"), state("1 00:00", "p2"), state("3 00:00", "p2", deleted=True))
    lake.send(*(view(number, f"2 10:0{number}", product) for number, product in enumerate(["p1", "p2", "p3", "p2"])))
    lake.send(view(8, "2 11:00", "p1", "only-one-left"), view(9, "2 11:01", "p2", "only-one-left"))
    lake.nightly(day="2026-01-03")
    assert lake.run(features, day="2026-01-03")[0] == 0
    assert lake.rows("features.training_sessions", "items") == [["p1", "p3"]]
    assert lake.rows("features.item_neighbours", "product_id", "neighbour_id") == [("p1", "p3"), ("p3", "p1")]
    code, receipt = lake.run(audits, "--namespaces=features", day="2026-01-03")
    assert (code, receipt.error) == (0, "")
