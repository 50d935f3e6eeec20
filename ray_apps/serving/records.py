"""Applies Kafka records to the memory of a replica. Records that cannot be parsed are skipped; Flink quarantines them.

A record that raises nevertheless, such as JSON nested too deeply, is counted and skipped by the feed.
"""

import json
from typing import Any

from ray_apps.serving.impressions import Impressions
from ray_apps.serving.user_history import RecentViews, StreamedLists

VIEW = "view_item"
MAX_ID_LENGTH = 200


def apply_click(views: RecentViews, impressions: Impressions, key: bytes | None, value: bytes | None, broker_time_ms: int) -> None:
    """Add a record of the clicks topic: only `view_item` events with a user id and a product id are used.

    A client's clock may be ahead, so the event time is capped by the record's Kafka timestamp.
    """
    # Most records are other events; a substring test is much cheaper than parsing their JSON.
    if not value or VIEW.encode() not in value:
        return
    event = _parse_object(value)
    user_id, item, event_time = event.get("user_id"), event.get("product_id"), event.get("event_time")
    if event.get("event_type") != VIEW or not _is_id(user_id) or not _is_id(item):
        return
    event_time_ms = min(event_time, broker_time_ms) if isinstance(event_time, int) else broker_time_ms
    views.add(str(user_id), str(item), event_time_ms)
    impressions.record_view(str(user_id), str(item), broker_time_ms)


def apply_list(lists: StreamedLists, key: bytes | None, value: bytes | None, broker_time_ms: int) -> None:
    """Set the user's list from a record of the recommendations topic; a tombstone (no value) removes it."""
    if key is None:
        return
    items = _parse_object(value or b"{}").get("items")
    valid = [item for item in items if _is_id(item)] if isinstance(items, list) else []
    lists.put(key.decode(errors="replace"), valid)


def _parse_object(value: bytes) -> dict[str, Any]:
    """Returns a JSON object; an empty one if the bytes are anything else."""
    try:
        document = json.loads(value)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_id(value: Any) -> bool:
    """Whether a value can be an id of a response: a text of limited length that UTF-8 can represent (JSON may hold half a character)."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
