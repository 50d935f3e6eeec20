"""What is remembered of users, in bounded memory: whoever was seen longest ago is forgotten first."""

from bisect import insort
from collections import Counter, OrderedDict
from heapq import nsmallest

USERS = 100_000
VIEWS = 20

View = tuple[int, str]


class RecentViews:
    """The last views of the users who were seen last, each user's in the order of time."""

    def __init__(self, users: int = USERS, views: int = VIEWS) -> None:
        self._users, self._views = users, views
        self._of: OrderedDict[str, list[View]] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._of)

    def add(self, user_id: str, item: str, at: int) -> None:
        """Remember a view; one that is there already, or is older than all that are kept, changes nothing."""
        kept = self._of.setdefault(user_id, [])
        self._of.move_to_end(user_id)
        if (at, item) in kept:
            return
        # A reader in another thread must never see half a change.
        grown = kept.copy()
        insort(grown, (at, item))
        self._of[user_id] = grown[-self._views :]
        self._counts[item] += 1
        self._forget(grown[: -self._views])
        if len(self._of) > self._users:
            self._forget(self._of.popitem(last=False)[1])

    def of(self, user_id: str) -> list[str]:
        """The user's views, the newest last; none if the user is not known."""
        return [item for _, item in self._of.get(user_id, ())]

    def popular(self, top: int) -> list[str]:
        """The items with the most views that are remembered; among equals in the order of their ids."""
        counts = dict(self._counts)
        return nsmallest(top, counts, key=lambda item: (-counts[item], item))

    def _forget(self, views: list[View]) -> None:
        for _, item in views:
            self._counts[item] -= 1
            if not self._counts[item]:
                del self._counts[item]


class FreshLists:
    """The newest list of each user that the stream of recommendations wrote."""

    def __init__(self, users: int = USERS) -> None:
        self._users = users
        self._of: OrderedDict[str, list[str]] = OrderedDict()

    def put(self, user_id: str, items: list[str]) -> None:
        """Remember a list; an empty one forgets the user."""
        self._of.pop(user_id, None)
        if items:
            self._of[user_id] = items
        if len(self._of) > self._users:
            self._of.popitem(last=False)

    def of(self, user_id: str) -> list[str]:
        """The user's list, best first; empty if there is none."""
        return self._of.get(user_id, [])
