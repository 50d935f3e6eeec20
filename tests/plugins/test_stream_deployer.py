"""The deployer of Flink streams with a fake cluster: start, upgrade, rollback, refused definitions and the health check."""

import pytest

from clickstream.hooks.flink import FlinkError, FlinkUnreachable, StorageUnavailable
from clickstream.streams import health as health_module
from tests.plugins.fake_streams import CHECKPOINT, NEW, OLD, SAVEPOINT, FakeCluster, FakeState, deployer, job_name, running

DIVISION = "ArithmeticException: / by zero"
INCOMPATIBLE = "IllegalStateException: Failed to rollback to checkpoint/savepoint. Cannot map checkpoint/savepoint state for operator 1"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "POLL_SECONDS", 0)
    monkeypatch.setattr(health_module, "LAG_CHECK_PAUSE_SECONDS", 0)


def test_a_stream_without_a_job_starts_from_its_newest_state() -> None:
    cluster = FakeCluster()
    receipt = deployer(cluster, FakeState(CHECKPOINT)).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT)]
    assert (receipt["name"], receipt["restored_from"], receipt["replaced"]) == (job_name(NEW), CHECKPOINT, "")


@pytest.mark.parametrize(("newest", "start_fresh"), [(None, False), (CHECKPOINT, True)])
def test_without_state_or_with_start_fresh_a_stream_starts_at_the_end_offsets_of_the_lake(newest: str | None, start_fresh: bool) -> None:
    cluster = FakeCluster()
    receipt = deployer(cluster, FakeState(newest), start_fresh=start_fresh).deploy()
    assert cluster.starts == [(NEW, None)]
    assert receipt["restored_from"] == "the end offsets of the lake (clicks.v1 0: 12)"


def test_a_job_of_the_current_definition_is_left_alone() -> None:
    cluster = FakeCluster(running=running(NEW))
    assert deployer(cluster, FakeState(good=NEW[:12])).deploy()["job"] == "running"
    assert (cluster.starts, cluster.checkpoints) == ([], 0)


def test_a_job_that_a_killed_task_left_without_a_checkpoint_must_complete_one() -> None:
    cluster = FakeCluster(running=running(OLD), killed_after_start=True)
    state = FakeState(CHECKPOINT, good=OLD[:12])
    with pytest.raises(KeyboardInterrupt):
        deployer(cluster, state).deploy()
    assert (cluster.running[0].name, state.good) == (job_name(NEW), OLD[:12])
    cluster.killed_after_start = False
    assert deployer(cluster, state).deploy()["name"] == job_name(NEW)
    assert state.good == NEW[:12]
    assert len(cluster.starts) == 1


def test_a_job_that_a_killed_task_left_is_rolled_back_if_it_completes_no_checkpoint() -> None:
    cluster = FakeCluster(running=running(NEW), failing={NEW: DIVISION})
    state = FakeState(CHECKPOINT, good=OLD[:12])
    with pytest.raises(FlinkError, match=rf"was rolled back, {job_name(OLD)} runs again\. .*/ by zero"):
        deployer(cluster, state).deploy()
    assert cluster.starts == [(OLD[:12], CHECKPOINT)]
    assert state.refusals[NEW]["instead"] == OLD[:12]


def test_another_definition_is_replaced_from_its_savepoint() -> None:
    cluster = FakeCluster(running=running(OLD))
    receipt = deployer(cluster, FakeState()).deploy()
    assert cluster.starts == [(NEW, SAVEPOINT)]
    assert receipt["replaced"] == job_name(OLD)


def test_a_failing_definition_is_rolled_back_and_not_deployed_again() -> None:
    cluster = FakeCluster(running=running(OLD), failing={NEW: DIVISION})
    state = FakeState(CHECKPOINT)
    with pytest.raises(FlinkError, match=rf"was rolled back, {job_name(OLD)} runs again\. .*/ by zero"):
        deployer(cluster, state).deploy()
    # From the savepoint, at the end offsets of the lake, then the old definition from the newest state.
    # A job's name holds the first 12 characters of its definition.
    assert cluster.starts == [(NEW, SAVEPOINT), (NEW, None), (OLD[:12], CHECKPOINT)]
    assert state.refusals[NEW]["instead"] == OLD[:12]
    with pytest.raises(FlinkError, match=r"failed before: .*retry_refused"):
        deployer(cluster, state).deploy()
    assert len(cluster.starts) == 3


def test_the_previous_definition_of_a_refused_one_is_started_if_nothing_runs() -> None:
    cluster = FakeCluster()
    state = FakeState(CHECKPOINT, refusals={NEW: {"reason": "failed", "instead": OLD}})
    with pytest.raises(FlinkError, match="failed before"):
        deployer(cluster, state).deploy()
    assert cluster.starts == [(OLD, CHECKPOINT)]


def test_an_unreachable_cluster_refuses_no_definition() -> None:
    cluster = FakeCluster(running=running(OLD), unreachable=True)
    state = FakeState()
    with pytest.raises(FlinkUnreachable):
        deployer(cluster, state).deploy()
    assert state.refusals == {}


@pytest.mark.parametrize(("tables", "starts"), [(("raw.clicks",), 1), ((), 2)])
def test_a_checkpoint_is_discarded_only_by_a_stream_that_writes_no_tables(tables: tuple[str, ...], starts: int) -> None:
    cluster = FakeCluster(failing={NEW: INCOMPATIBLE})
    with pytest.raises(FlinkError, match="Cannot map"):
        deployer(cluster, FakeState(CHECKPOINT, written_tables=tables)).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT), (NEW, None)][:starts]


def test_a_job_that_cannot_make_a_savepoint_is_replaced_from_its_newest_checkpoint() -> None:
    cluster = FakeCluster(running=running(OLD), savepoint_fails=True)
    deployer(cluster, FakeState(CHECKPOINT)).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT)]
    assert cluster.running[0].name == job_name(NEW)


def test_a_failing_definition_is_rolled_back_after_the_cluster_has_lost_its_jobs() -> None:
    cluster = FakeCluster(failing={NEW: DIVISION})
    state = FakeState(CHECKPOINT, good=OLD[:12])
    with pytest.raises(FlinkError, match=rf"was rolled back, {job_name(OLD)} runs again"):
        deployer(cluster, state).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT), (OLD[:12], CHECKPOINT)]
    assert state.refusals[NEW]["instead"] == OLD[:12]
    assert state.good == OLD[:12]
    # The cluster loses its jobs again: the refused definition is not tried.
    cluster.running = []
    with pytest.raises(FlinkError, match=r"failed before: .*retry_refused"):
        deployer(cluster, state).deploy()
    assert cluster.starts[2:] == [(OLD[:12], CHECKPOINT)]


def test_a_definition_that_cannot_restore_a_checkpoint_is_deployed_after_a_stop_of_the_previous_one() -> None:
    """Without the job only a checkpoint is left, and a stream that writes tables must not discard it."""
    cluster = FakeCluster(failing={NEW: INCOMPATIBLE})
    state = FakeState(CHECKPOINT, good=OLD[:12])
    with pytest.raises(FlinkError, match=rf"cannot restore the newest checkpoint; it is deployed again .* {job_name(OLD)} runs again"):
        deployer(cluster, state).deploy()
    assert state.refusals == {}
    cluster.failing = {}
    assert deployer(cluster, state).deploy()["replaced"] == job_name(OLD)
    assert cluster.starts[1:] == [(OLD[:12], CHECKPOINT), (NEW, SAVEPOINT)]


def test_without_an_earlier_definition_a_failing_one_is_not_refused() -> None:
    state = FakeState(CHECKPOINT)
    with pytest.raises(FlinkError, match="/ by zero"):
        deployer(FakeCluster(failing={NEW: DIVISION}), state).deploy()
    assert state.refusals == {}


def test_a_job_keeps_running_until_the_cluster_has_the_same_code_as_airflow() -> None:
    cluster = FakeCluster(running=running(OLD), runs_code_of=OLD)
    state = FakeState(CHECKPOINT, good=OLD[:12])
    receipt = deployer(cluster, state).deploy()
    assert receipt["name"] == job_name(OLD)
    assert "other code or other settings" in receipt["waiting"]
    assert (cluster.stops, cluster.starts, state.refusals) == (0, [], {})
    # The image of the JobManager is updated.
    cluster.runs_code_of = NEW
    assert deployer(cluster, state).deploy()["replaced"] == job_name(OLD)


def test_a_cluster_restarted_with_other_code_than_airflow_runs_the_last_good_definition() -> None:
    cluster = FakeCluster(runs_code_of="2" * 64)
    state = FakeState(CHECKPOINT, good=OLD[:12])
    receipt = deployer(cluster, state).deploy()
    assert (receipt["name"], bool(receipt["waiting"])) == (job_name(OLD), True)
    assert (cluster.starts, state.refusals) == ([(OLD[:12], CHECKPOINT)], {})


@pytest.mark.parametrize("restarts", [1, 3])
def test_some_restarts_before_the_first_checkpoint_are_no_failure(restarts: int) -> None:
    cluster = FakeCluster(running=running(OLD), restarts=restarts)
    assert deployer(cluster, FakeState()).deploy()["restored_from"] == SAVEPOINT
    assert len(cluster.starts) == 1


def test_an_unavailable_object_store_refuses_no_definition() -> None:
    cluster = FakeCluster(running=running(OLD), failing={NEW: "AmazonS3Exception: Please reduce your request rate (SlowDown)"})
    state = FakeState(CHECKPOINT)
    with pytest.raises(StorageUnavailable, match="SlowDown"):
        deployer(cluster, state).deploy()
    assert (cluster.starts, state.refusals) == ([(NEW, SAVEPOINT)], {})


def test_a_running_definition_that_completes_checkpoints_is_the_one_to_roll_back_to() -> None:
    """Not the last recorded one: the task that should have recorded the running one was killed."""
    cluster = FakeCluster(running=running(OLD), failing={NEW: DIVISION})
    with pytest.raises(FlinkError, match=rf"{job_name(OLD)} runs again"):
        deployer(cluster, FakeState(CHECKPOINT, good="2" * 12)).deploy()


def test_two_jobs_of_one_stream_are_an_error() -> None:
    cluster = FakeCluster(running=[*running(OLD), *running(NEW)])
    with pytest.raises(FlinkError, match="2 jobs of clicks_to_lake run at once"):
        deployer(cluster, FakeState()).deploy()


def test_the_check_returns_checkpoints_restarts_and_lag_of_a_healthy_job() -> None:
    cluster = FakeCluster(running=running(NEW), lags=[20_000, 15_000])
    health = deployer(cluster, FakeState()).check()
    assert (health["job"], health["restarts"], health["lag"]) == ("running", 0, 15_000)


def test_the_check_fails_if_the_lag_grows_at_each_checkpoint() -> None:
    cluster = FakeCluster(running=running(NEW), lags=[20_000, 30_000, 40_000, 50_000])
    with pytest.raises(FlinkError, match="falls behind: its Kafka lag grew from 40,000 to 50,000 records"):
        deployer(cluster, FakeState()).check()


def test_the_check_fails_without_a_job() -> None:
    with pytest.raises(FlinkError, match="clicks_to_lake does not run"):
        deployer(FakeCluster(), FakeState()).check()
