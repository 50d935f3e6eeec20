"""Starts a replica: replays Kafka into memory, reads the rollout pointer, loads the models, and keeps following both."""

import logging
import threading
import time
from functools import partial

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from ray_apps.common.cli import one_line
from ray_apps.serving.impressions import Impressions
from ray_apps.serving.kafka_feed import KafkaFeed, ReplayLimit
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.records import apply_click, apply_list
from ray_apps.serving.rollout_store import NessieRolloutStore
from ray_apps.serving.router import Router
from ray_apps.serving.user_history import RecentViews, StreamedLists

CLICKS_REPLAY = ReplayLimit(records=200_000, seconds=1800)
LISTS_REPLAY = ReplayLimit(records=200_000)
# After this time a replica becomes ready without the user history: fallback lists are better than no replica.
REPLAY_TIMEOUT_SECONDS = 20.0
log = logging.getLogger("ray.serve")


def start(settings: Settings) -> Recommender:
    """Returns a recommender once Kafka is replayed, or after REPLAY_TIMEOUT_SECONDS. A model is not required."""
    views, lists, impressions = RecentViews(), StreamedLists(), Impressions()
    feeds = [
        KafkaFeed(settings, names.CLICKS_TOPIC, partial(apply_click, views, impressions), CLICKS_REPLAY),
        KafkaFeed(settings, names.RECOMMENDATIONS_TOPIC, partial(apply_list, lists), LISTS_REPLAY),
    ]
    router = Router(NessieRolloutStore(settings))
    refresh(router)
    threading.Thread(target=_refresh_forever, args=(router, settings.serve_follow_seconds), name="rollout pointer", daemon=True).start()
    deadline = time.monotonic() + REPLAY_TIMEOUT_SECONDS
    for feed in feeds:
        feed.caught_up.wait(max(0.0, deadline - time.monotonic()))
    return Recommender(router, views, lists, impressions)


def refresh(router: Router) -> None:
    """Follow the rollout pointer; an error is logged, and the router keeps its models."""
    try:
        router.refresh()
    except Exception as error:
        log.warning("cannot read the rollout pointer from Nessie, the models in service stay: %s", one_line(error))


def _refresh_forever(router: Router, seconds: int) -> None:
    while True:
        time.sleep(seconds)
        refresh(router)
