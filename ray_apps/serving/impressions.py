"""Impressions and clicks: the last list that each user was shown, and whether the user then viewed an item of it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ray_apps.serving.metrics import VariantMetrics
from ray_apps.serving.user_history import MAX_USERS

# A view counts as a click of the list for half an hour; a later one has other causes.
CLICK_WINDOW_MS = 30 * 60 * 1000


@dataclass(frozen=True)
class _Impression:
    items: frozenset[str]
    shown_at_ms: int
    metrics: VariantMetrics


def _now_ms() -> int:
    return int(1000 * time.time())


class Impressions:
    """The last list of each of the `max_users` users who got one most recently.

    Each list is counted once as shown and at most once as clicked, in the metrics of the variant that made it.
    """

    def __init__(self, max_users: int = MAX_USERS, now_ms: Callable[[], int] = _now_ms) -> None:
        self._max_users, self._now_ms = max_users, now_ms
        self._by_user: OrderedDict[str, _Impression] = OrderedDict()
        # HTTP requests and the Kafka feed run in different threads.
        self._lock = threading.Lock()

    def record_shown(self, user_id: str, items: Iterable[str], metrics: VariantMetrics) -> None:
        """Record that the user was shown these items by the variant with these metrics."""
        impression = _Impression(frozenset(items), self._now_ms(), metrics)
        metrics.shown += 1
        with self._lock:
            self._by_user[user_id] = impression
            self._by_user.move_to_end(user_id)
            if len(self._by_user) > self._max_users:
                self._by_user.popitem(last=False)

    def record_view(self, user_id: str, item: str, broker_time_ms: int) -> None:
        """Record a view; it is a click if the item is in the user's last list. `broker_time_ms` is the record's Kafka timestamp."""
        with self._lock:
            impression = self._by_user.get(user_id)
            if impression is None or item not in impression.items:
                return
            if not impression.shown_at_ms <= broker_time_ms <= impression.shown_at_ms + CLICK_WINDOW_MS:
                return
            del self._by_user[user_id]
            impression.metrics.clicked += 1
