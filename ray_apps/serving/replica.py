"""Starts a replica: replays Kafka into memory, reads the rollout pointer, loads the models, and keeps following both."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

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


@dataclass(frozen=True)
class RunningReplica:
    """The recommender, and the feeds that it follows."""

    recommender: Recommender
    feeds: dict[str, KafkaFeed]

    def health(self) -> dict[str, Any]:
        """Returns how far each feed is behind, and the seconds since the rollout pointer was followed."""
        router = self.recommender.router
        feeds = {topic: feed.health() for topic, feed in self.feeds.items()}
        return {"knows_rollout": router.knows_rollout, "rollout_age_seconds": round(router.follow_age_seconds, 1), "feeds": feeds}

    def check(self) -> None:
        """Raises RuntimeError if a feed's thread has ended; Ray Serve then replaces the replica."""
        if ended := [topic for topic, feed in self.feeds.items() if not feed.is_alive()]:
            raise RuntimeError(f"the feed of {', '.join(ended)} has ended")


def start(settings: Settings, others_serve: Callable[[], bool]) -> RunningReplica:
    """Returns a replica once Kafka is replayed, or after REPLAY_TIMEOUT_SECONDS.

    The rollout is not required, so that a shop without any replica gets popular items; while others serve, it is waited for.
    """
    views, lists, impressions = RecentViews(), StreamedLists(), Impressions()
    feeds = {
        names.CLICKS_TOPIC: KafkaFeed(settings, names.CLICKS_TOPIC, partial(apply_click, views, impressions), CLICKS_REPLAY),
        names.RECOMMENDATIONS_TOPIC: KafkaFeed(settings, names.RECOMMENDATIONS_TOPIC, partial(apply_list, lists), LISTS_REPLAY),
    }
    router = Router(NessieRolloutStore(settings))
    attempt(router.refresh)
    # In two threads: a rollback is followed while a model is being loaded.
    for step in (router.follow, router.load):
        threading.Thread(target=_repeat, args=(step, settings.serve_follow_seconds), name=step.__name__, daemon=True).start()
    deadline = time.monotonic() + REPLAY_TIMEOUT_SECONDS
    for feed in feeds.values():
        feed.caught_up.wait(max(0.0, deadline - time.monotonic()))
    wait_for_rollout(router, others_serve, settings.serve_follow_seconds)
    return RunningReplica(Recommender(router, views, lists, impressions), feeds)


def wait_for_rollout(router: Router, others_serve: Callable[[], bool], seconds: float) -> None:
    """Wait while the router does not know the rollout and other replicas serve: their lists are better than popular items."""
    while not router.knows_rollout and others_serve():
        log.warning("not ready: the rollout or its model cannot be read, and other replicas serve")
        time.sleep(seconds)


def attempt(step: Callable[[], None]) -> None:
    """Follow the rollout pointer or load its models; an error is logged, and the router keeps its models."""
    try:
        step()
    except Exception as error:
        log.warning("cannot read the rollout from Nessie, the models in service stay: %s", one_line(error))


def _repeat(step: Callable[[], None], seconds: int) -> None:
    while True:
        time.sleep(seconds)
        attempt(step)
