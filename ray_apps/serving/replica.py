"""A replica comes to life: memory rebuilt from Kafka, the pointer read, the models warm. Then it goes on following both."""

import logging
import threading
import time
from functools import partial

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from ray_apps.common.cli import one_line
from ray_apps.serving.arms import Arms
from ray_apps.serving.feed import Feed, LookBack
from ray_apps.serving.pointer import NessieLake
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.records import take_click, take_list
from ray_apps.serving.shown import Shown
from ray_apps.serving.views import FreshLists, RecentViews

CLICKS = LookBack(records=200_000, seconds=1800)
LISTS = LookBack(records=200_000)
# A replica whose Kafka is away answers without a memory rather than not at all.
PATIENCE_SECONDS = 20.0
log = logging.getLogger("ray.serve")


def start(settings: Settings) -> Recommender:
    """A recommender that is ready, or as ready as the lake and Kafka let it be."""
    views, lists, shown = RecentViews(), FreshLists(), Shown()
    feeds = [
        Feed(settings.kafka_bootstrap, names.CLICKS_TOPIC, partial(take_click, views, shown), CLICKS),
        Feed(settings.kafka_bootstrap, names.RECOMMENDATIONS_TOPIC, partial(take_list, lists), LISTS),
    ]
    arms = Arms(NessieLake(settings))
    follow(arms)
    threading.Thread(target=_follow_on, args=(arms, settings.serve_follow_seconds), name="follow the pointer", daemon=True).start()
    until = time.monotonic() + PATIENCE_SECONDS
    for feed in feeds:
        feed.caught_up.wait(max(0.0, until - time.monotonic()))
    return Recommender(arms, views, lists, shown)


def follow(arms: Arms) -> None:
    """Take the pointer over; what is wrong with the lake is told, and all stays as it is."""
    try:
        arms.follow()
    except Exception as error:
        log.warning("the pointer cannot be read: %s", one_line(error))


def _follow_on(arms: Arms, seconds: int) -> None:
    while True:
        time.sleep(seconds)
        follow(arms)
