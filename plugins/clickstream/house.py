"""What every DAG of the house has in common."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import Asset

OWNER = "clickstream"
SPARK_POOL = "spark"

# What the streams go on writing, for the page's graph alone: it starts nobody.
RAW = Asset(name="clickstream_raw", uri="clickstream://lake/raw")
# What one DAG publishes and another waits for. Every event has its day as partition.
RELEASE = Asset(name="clickstream_release", uri="clickstream://lake/release")
FEATURES = Asset(name="clickstream_features", uri="clickstream://lake/features")
MODEL = Asset(name="clickstream_model", uri="clickstream://lake/model")
ROLLOUT = Asset(name="clickstream_rollout", uri="clickstream://serving/rollout")


class Tag(StrEnum):
    """The tags by which DAGs are found on the page."""

    BATCH = "batch"
    STREAM = "stream"
    LAKE = "lake"
    MODEL = "model"


def defaults(minutes: int, retries: int = 2) -> dict[str, Any]:
    """Arguments of every task: it may take so long, and is tried again after failures that may pass."""
    return {
        "owner": OWNER,
        "retries": retries,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(minutes=minutes),
    }
