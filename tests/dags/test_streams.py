"""The streams' DAG: its deploy tasks end by themselves before their timeout kills them."""

from typing import Any

import pytest

from clickstream.streams.deployer import CHECKPOINT_TIMEOUT_SECONDS, LONGEST_DEPLOYMENT_SECONDS
from clickstream.streams.health import LAG_CHECK_PAUSE_SECONDS, LAG_CHECKS
from clickstream_contracts import names

LONGEST_CHECK_SECONDS = LAG_CHECKS * (CHECKPOINT_TIMEOUT_SECONDS + LAG_CHECK_PAUSE_SECONDS)


@pytest.mark.parametrize("app", names.STREAM_JOBS)
@pytest.mark.parametrize(("task", "longest"), [("deploy", LONGEST_DEPLOYMENT_SECONDS), ("check", LONGEST_CHECK_SECONDS)])
def test_a_task_is_not_killed_while_it_waits(bag: Any, task: str, longest: float, app: str) -> None:
    """A tenth is for the requests between the waits. A killed deployment leaves a job that the next run has to prove."""
    timeout = bag.dags[names.STREAMS].get_task(f"{task}_{app}").execution_timeout.total_seconds()
    assert timeout > 1.1 * longest
