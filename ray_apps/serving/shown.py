"""Which list each user was shown last, and whether the user then viewed something of it: the click-through of an arm."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ray_apps.serving.tally import Tally
from ray_apps.serving.views import USERS

# A view that comes later has other causes.
WINDOW_MS = 30 * 60 * 1000


@dataclass(frozen=True)
class _List:
    items: frozenset[str]
    at: int
    tally: Tally


class Shown:
    """The last list of the users who asked last. A list counts once as shown and at most once as clicked."""

    def __init__(self, users: int = USERS, now_ms: Callable[[], int] = lambda: int(1000 * time.time())) -> None:
        self._users, self._now_ms = users, now_ms
        self._of: OrderedDict[str, _List] = OrderedDict()
        # Requests and views come by different threads.
        self._lock = threading.Lock()

    def put(self, user_id: str, items: Iterable[str], tally: Tally) -> None:
        """A user got this list from the arm that the tally counts."""
        found = _List(frozenset(items), self._now_ms(), tally)
        tally.shown += 1
        with self._lock:
            self._of[user_id] = found
            self._of.move_to_end(user_id)
            if len(self._of) > self._users:
                self._of.popitem(last=False)

    def viewed(self, user_id: str, item: str, arrived: int) -> None:
        """A user viewed an item; `arrived` is when the broker got the event, in milliseconds."""
        with self._lock:
            found = self._of.get(user_id)
            if found is None or item not in found.items or not found.at <= arrived <= found.at + WINDOW_MS:
                return
            del self._of[user_id]
            found.tally.clicked += 1
