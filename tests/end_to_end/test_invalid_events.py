"""Strange records: each has its place and its reason, and the stream goes on."""

import json
from typing import Any

import pytest

from tests.shop_day import Shop, eventually
from tools.kafka.producer import Records, Sender
from tools.ledger import reader
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED

GOOD: dict[str, Any] = {
    "event_type": "view_item",
    "event_time": 1_767_312_000_000,
    "session_id": "poison",
    "user_id": "u-1",
    "schema_version": 1,
}


def event(event_id: str, **changes: Any) -> bytes:
    return json.dumps({**GOOD, "event_id": event_id, **changes}).encode()


# By event_id: the value that is sent, and the reason it must be in quarantine for.
RECORDS: dict[str, tuple[bytes | None, str | None]] = {
    "poison-plain": (event("poison-plain"), None),
    "poison-null_user": (event("poison-null_user", user_id=None), None),
    "poison-5mb": (event("poison-5mb", search_query="x" * 5_000_000), "too_large"),
    "poison-utf8": (b'{"event_id": "poison-utf8", "referrer": "\xff\xfe"}', "not_json"),
    "poison-1970": (event("poison-1970", event_time=1000), "time_out_of_range"),
    "poison-2100": (event("poison-2100", event_time=4_102_444_800_000), "time_out_of_range"),
    "poison-tombstone": (None, "not_json"),
    "poison-last": (event("poison-last"), None),
}


@pytest.fixture(scope="module")
def places(shop: Shop) -> dict[str, tuple[int, int]]:
    """Partition and offset of each record."""
    ids, values, run = list(RECORDS), [value for value, _ in RECORDS.values()], "poison"
    with Journal(shop.settings, run, {}) as journal:
        sender = Sender(shop.settings, journal)
        sender.send(Records(ids, [REPLAYED] * len(ids), [b"poison"] * len(ids), values), range(len(ids)))
        sender.flush()
    return {entry["event_id"]: (entry["partition"], entry["offset"]) for entry in reader.entries(shop.settings, run).to_pylist()}


def rows(shop: Shop, table: str, columns: tuple[str, ...]) -> dict[tuple[int, int], dict[str, Any]]:
    found = shop.table(table, columns=("kafka_partition", "kafka_offset", *columns)).to_pylist()
    return {(r["kafka_partition"], r["kafka_offset"]): r for r in found}


def test_each_record_has_its_place_and_reason(shop: Shop, places: dict[str, tuple[int, int]]) -> None:
    eventually(lambda: places["poison-last"] in rows(shop, "raw.clicks", ()), "the last record is in the lake", 120)
    clicks, quarantine = rows(shop, "raw.clicks", ("event_id",)), rows(shop, "raw.quarantine", ("reason", "payload"))
    for name, (value, reason) in RECORDS.items():
        place = places[name]
        assert (place in clicks, place in quarantine) == (reason is None, reason is not None), name
        if reason:
            assert (quarantine[place]["reason"], quarantine[place]["payload"]) == (reason, value), name
