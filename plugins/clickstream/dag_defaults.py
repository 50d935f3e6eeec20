"""Defaults shared by the DAGs: owner, tags, assets, pool and the arguments of every task."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import Asset

from clickstream.notifications.notifier import FailureNotifier
from clickstream_contracts.settings import Settings

OWNER = "clickstream"
# The local stack and the manifests create the pool `spark` with one slot; an Airflow without it uses its default pool.
SPARK_POOL = Settings.from_env().spark_pool

# Added to the arguments of tasks that change what users are served: they get a free slot before all other tasks that wait for one.
URGENT = {"priority_weight": 1000, "weight_rule": "absolute"}

# The streams write raw.* all the time. This asset shows that in the graph of assets; no DAG is scheduled by it.
RAW_ASSET = Asset(name="clickstream_raw", uri="clickstream://lake/raw")
# One DAG publishes each of these and another is scheduled by it. Each event has its day as partition key.
RELEASE_ASSET = Asset(name="clickstream_release", uri="clickstream://lake/release")
FEATURES_ASSET = Asset(name="clickstream_features", uri="clickstream://lake/features")
MODEL_ASSET = Asset(name="clickstream_model", uri="clickstream://lake/model")
ROLLOUT_ASSET = Asset(name="clickstream_rollout", uri="clickstream://serving/rollout")


class Tag(StrEnum):
    """Tags that filter the list of DAGs in Airflow's UI."""

    BATCH = "batch"
    STREAM = "stream"
    LAKE = "lake"
    MODEL = "model"


def task_defaults(minutes: int, retries: int = 2) -> dict[str, Any]:
    """Returns the default arguments of a task: an execution timeout in minutes, retries, and the notification of a failure."""
    return {
        "owner": OWNER,
        "retries": retries,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(minutes=minutes),
        "on_failure_callback": FailureNotifier(),
    }
