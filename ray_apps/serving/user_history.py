"""Per-user state of a replica in bounded memory: recent views, and the lists of the recommendations stream (LRU by user)."""

from bisect import insort
from collections import Counter, OrderedDict
from heapq import nsmallest

MAX_USERS = 100_000
VIEWS_PER_USER = 20

# Event time in milliseconds and item.
View = tuple[int, str]


class RecentViews:
    """The last `views_per_user` views of the `max_users` most recently active users, each user's ordered by event time."""

    def __init__(self, max_users: int = MAX_USERS, views_per_user: int = VIEWS_PER_USER) -> None:
        self._max_users, self._views_per_user = max_users, views_per_user
        self._by_user: OrderedDict[str, list[View]] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """The number of users."""
        return len(self._by_user)

    def add(self, user_id: str, item: str, event_time_ms: int) -> None:
        """Add a view. A duplicate, or a view older than a full history, leaves the history as it is."""
        history = self._by_user.setdefault(user_id, [])
        self._by_user.move_to_end(user_id)
        view = (event_time_ms, item)
        if view in history:
            return
        # Requests read in another thread, so the list is replaced and never changed in place.
        extended = history.copy()
        insort(extended, view)
        self._by_user[user_id] = extended[-self._views_per_user :]
        self._counts[item] += 1
        self._discount(extended[: -self._views_per_user])
        if len(self._by_user) > self._max_users:
            _, evicted = self._by_user.popitem(last=False)
            self._discount(evicted)

    def of(self, user_id: str) -> list[str]:
        """Returns the items that the user viewed, the newest last; an empty list for an unknown user."""
        return [item for _, item in self._by_user.get(user_id, ())]

    def popular(self, top: int) -> list[str]:
        """Returns the `top` items with the most views in memory; ties are ordered by id."""
        counts = dict(self._counts)
        return nsmallest(top, counts, key=lambda item: (-counts[item], item))

    def _discount(self, views: list[View]) -> None:
        """Take views that are no longer kept out of the counts."""
        for _, item in views:
            self._counts[item] -= 1
            if not self._counts[item]:
                del self._counts[item]


class StreamedLists:
    """The newest list of each user from the topic of the recommendations stream, for the last `max_users` users."""

    def __init__(self, max_users: int = MAX_USERS) -> None:
        self._max_users = max_users
        self._by_user: OrderedDict[str, list[str]] = OrderedDict()

    def put(self, user_id: str, items: list[str]) -> None:
        """Set the user's list; an empty one removes it."""
        self._by_user.pop(user_id, None)
        if items:
            self._by_user[user_id] = items
        if len(self._by_user) > self._max_users:
            self._by_user.popitem(last=False)

    def of(self, user_id: str) -> list[str]:
        """Returns the user's list, best first; an empty one if there is none."""
        return self._by_user.get(user_id, [])
