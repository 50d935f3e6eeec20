"""Builds the responses of the HTTP API: a model's list, or a fallback list and the reason for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ray_apps.serving.impressions import Impressions
from ray_apps.serving.router import RoutedResult, Router
from ray_apps.serving.user_history import RecentViews, StreamedLists

# Values of the response field `fallback`.
STREAM = "recommendations stream"
NO_MODEL = "no model yet"
UNKNOWN_USER = "unknown user"
UNKNOWN_ITEM = "unknown item"
EMPTY_SESSION = "empty session"

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Recommender:
    """The state that a replica answers from; every method returns a JSON response, also without a model."""

    router: Router
    views: RecentViews
    lists: StreamedLists
    impressions: Impressions = field(default_factory=Impressions)

    def for_user(self, user_id: str, top: int, seen: bool = False) -> dict[str, Any]:
        """Recommends `top` items by the user's recent views."""
        return self.for_session([], user_id, top, seen)

    def for_session(
        self, items: Sequence[str], user_id: str, top: int, seen: bool = False, session_id: str = "", variant: str = ""
    ) -> dict[str, Any]:
        """Recommends `top` items by the views of a session (the newest last); if it is empty, by the user's recent views.

        The user id, or else the session id, decides the variant, unless `variant` names it.
        """
        views, unknown = items, UNKNOWN_ITEM if items else EMPTY_SESSION
        if not items and user_id:
            views = self.views.of(user_id)
            unknown = UNKNOWN_ITEM if views else UNKNOWN_USER
        result = self.router.call(user_id or session_id, lambda scorer: scorer.rank(views, top, seen), variant)
        return self._response(result, user_id, top, unknown)

    def similar(self, item: str, top: int, visitor: str = "") -> dict[str, Any]:
        """Returns items that visitors view together with this one; `visitor` decides the variant."""
        result = self.router.call(visitor, lambda scorer: scorer.similar(item, top))
        items = [{"id": similar, "score": weight} for similar, weight in result.items]
        return self._model_or_popular(result, items, top, UNKNOWN_ITEM)

    def _response(self, result: RoutedResult, user_id: str, top: int, fallback: str) -> dict[str, Any]:
        # The list of the stream is used only if the model has none.
        streamed = [] if result.items else self.lists.of(user_id)
        if streamed:
            return _response(_items(streamed[:top]), result, "", result.failure or STREAM)
        response = self._model_or_popular(result, _items(result.items), top, fallback)
        if user_id and result.metrics and result.items:
            self.impressions.record_shown(user_id, result.items, result.metrics)
        return response

    def _model_or_popular(self, result: RoutedResult, items: Items, top: int, fallback: str) -> dict[str, Any]:
        """Returns the model's items; if there are none, popular items and the reason `fallback`."""
        if result.scorer is None:
            return _response(_items(self.views.popular(top)), result, "", result.failure or NO_MODEL)
        if items:
            return _response(items, result, result.scorer.sha256, result.failure)
        return _response(_items(result.scorer.popular(top)), result, result.scorer.sha256, result.failure or fallback)


def _items(ids: Sequence[str]) -> Items:
    return [{"id": item} for item in ids]


def _response(items: Items, result: RoutedResult, model: str, fallback: str) -> dict[str, Any]:
    return {"items": items, "release": result.release, "model": model, "variant": result.variant, "fallback": fallback}
