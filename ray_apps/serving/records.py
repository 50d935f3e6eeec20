"""What records of Kafka mean for a replica's memory. A record that cannot be read is the lake's to keep, not ours."""

import json
from typing import Any

from ray_apps.serving.shown import Shown
from ray_apps.serving.views import FreshLists, RecentViews

VIEW = "view_item"


def take_click(views: RecentViews, shown: Shown, key: bytes | None, value: bytes | None, arrived: int) -> None:
    """A click event: only views of known users count. No event is newer than its arrival, whatever its sender's clock says."""
    # Most of the cost of a look-back is JSON that is of no use here.
    if not value or VIEW.encode() not in value:
        return
    event = _object(value)
    user_id, item, at = (event.get(name) for name in ("user_id", "product_id", "event_time"))
    if event.get("event_type") == VIEW and _word(user_id) and _word(item):
        views.add(str(user_id), str(item), min(at, arrived) if isinstance(at, int) else arrived)
        shown.viewed(str(user_id), str(item), arrived)


def take_list(lists: FreshLists, key: bytes | None, value: bytes | None, arrived: int) -> None:
    """A user's list; a record without a value takes it back."""
    if key is None:
        return
    items = _object(value or b"{}").get("items", [])
    lists.put(key.decode(errors="replace"), [item for item in items if _word(item)] if isinstance(items, list) else [])


def _object(value: bytes) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
