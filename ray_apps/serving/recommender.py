"""The answers: a model's list, or the best that there is without one. There is always an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray_apps.serving.arms import Arms, Ask, Reply
from ray_apps.serving.shown import Shown
from ray_apps.serving.views import FreshLists, RecentViews

STREAM = "recommendations stream"
NO_MODEL, UNKNOWN_USER, UNKNOWN_ITEM, EMPTY_SESSION = "no model yet", "unknown user", "unknown item", "empty session"

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Recommender:
    """What a replica knows: the rollout, the users' last views, the lists that the stream made for them, and those it showed."""

    arms: Arms
    views: RecentViews
    lists: FreshLists
    shown: Shown = field(default_factory=Shown)

    def for_user(self, user_id: str, top: int, seen: bool = False) -> dict[str, Any]:
        """By the user's last views; without any that the model knows, by the stream's list."""
        views = self.views.of(user_id)
        return self._rank(user_id, views, top, seen, UNKNOWN_ITEM if views else UNKNOWN_USER)

    def for_session(self, items: Sequence[str], user_id: str, top: int, seen: bool = False) -> dict[str, Any]:
        """By these views, the newest last; without any, by the user's."""
        if not items and user_id:
            return self.for_user(user_id, top, seen)
        return self._rank(user_id, items, top, seen, UNKNOWN_ITEM if items else EMPTY_SESSION)

    def similar(self, item: str, top: int) -> dict[str, Any]:
        """Items that visitors view together with this one."""
        reply = self.arms.ask("", lambda scorer: scorer.similar(item, top))
        found = [{"id": other, "score": score} for other, score in reply.found]
        return self._told(reply, found, top, UNKNOWN_ITEM)

    def _rank(self, user_id: str, views: Sequence[str], top: int, seen: bool, why: str) -> dict[str, Any]:
        ask: Ask = lambda scorer: scorer.rank(views, top, seen)  # noqa: E731
        reply = self.arms.ask(user_id, ask)
        fresh = self.lists.of(user_id) if not reply.found else []
        if fresh:
            answer = _answer(_named(fresh[:top]), reply, "", reply.failed or STREAM)
        else:
            answer = self._told(reply, _named(reply.found), top, why)
        if user_id and reply.tally:
            self.shown.put(user_id, (one["id"] for one in answer["items"]), reply.tally)
        return answer

    def _told(self, reply: Reply, found: Items, top: int, why: str) -> dict[str, Any]:
        """What the model found, or what is popular and why."""
        model = reply.scorer.sha256 if reply.scorer else ""
        if found:
            return _answer(found, reply, model, reply.failed)
        popular: Callable[[int], list[str]] = reply.scorer.popular if reply.scorer else self.views.popular
        return _answer(_named(popular(top)), reply, model, reply.failed or (why if reply.scorer else NO_MODEL))


def _named(items: Sequence[str]) -> Items:
    return [{"id": item} for item in items]


def _answer(items: Items, reply: Reply, model: str, fallback: str) -> dict[str, Any]:
    return {"items": items, "release": reply.release, "model": model, "arm": reply.arm, "fallback": fallback}
