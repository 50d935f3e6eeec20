"""Invalid and unusual records: each is in the right table with the right reason, and the stream keeps running."""

import json
from typing import Any

import pytest

from tests.shop_day import Shop, eventually
from tools.kafka.producer import Records, Sender
from tools.ledger import reader
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED

VALID: dict[str, Any] = {
    "event_type": "view_item",
    "event_time": 1_767_312_000_000,
    "session_id": "invalid",
    "user_id": "u-1",
    "schema_version": 1,
}


def event(event_id: str, **changes: Any) -> bytes:
    return json.dumps({**VALID, "event_id": event_id, **changes}).encode()


# By event_id: the value that is sent, and the expected quarantine reason, None for a record that belongs in raw.clicks.
RECORDS: dict[str, tuple[bytes | None, str | None]] = {
    "invalid-plain": (event("invalid-plain"), None),
    "invalid-null_user": (event("invalid-null_user", user_id=None), None),
    "invalid-5mb": (event("invalid-5mb", search_query="x" * 5_000_000), "too_large"),
    "invalid-utf8": (b'{"event_id": "invalid-utf8", "referrer": "\xff\xfe"}', "not_json"),
    "invalid-1970": (event("invalid-1970", event_time=1000), "time_out_of_range"),
    "invalid-2100": (event("invalid-2100", event_time=4_102_444_800_000), "time_out_of_range"),
    "invalid-tombstone": (None, "not_json"),
    "invalid-last": (event("invalid-last"), None),
}


@pytest.fixture(scope="module")
def offsets(shop: Shop) -> dict[str, tuple[int, int]]:
    """Partition and offset of each record by event_id."""
    ids, values, run = list(RECORDS), [value for value, _ in RECORDS.values()], "invalid"
    with Journal(shop.settings, run, {}) as journal:
        sender = Sender(shop.settings, journal)
        sender.send(Records(ids, [REPLAYED] * len(ids), [b"invalid"] * len(ids), values), range(len(ids)))
        sender.flush()
    return {entry["event_id"]: (entry["partition"], entry["offset"]) for entry in reader.entries(shop.settings, run).to_pylist()}


def rows_by_offset(shop: Shop, table: str, columns: tuple[str, ...]) -> dict[tuple[int, int], dict[str, Any]]:
    """Returns the rows of a table by partition and offset."""
    rows = shop.table(table, columns=("kafka_partition", "kafka_offset", *columns)).to_pylist()
    return {(row["kafka_partition"], row["kafka_offset"]): row for row in rows}


def test_each_record_is_in_the_right_table_with_the_right_reason(shop: Shop, offsets: dict[str, tuple[int, int]]) -> None:
    eventually(lambda: offsets["invalid-last"] in rows_by_offset(shop, "raw.clicks", ()), "the last record is in raw.clicks", 120)
    clicks = rows_by_offset(shop, "raw.clicks", ("event_id",))
    quarantine = rows_by_offset(shop, "raw.quarantine", ("reason", "payload"))
    for name, (value, reason) in RECORDS.items():
        key = offsets[name]
        assert (key in clicks, key in quarantine) == (reason is None, reason is not None), name
        if reason:
            assert (quarantine[key]["reason"], quarantine[key]["payload"]) == (reason, value), name
