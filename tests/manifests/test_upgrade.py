"""deploy-all.sh over an earlier deployment: savepoints before Flink changes, a warning before a downgrade, and nothing done half."""

from pathlib import Path

import pytest

from tests.manifests.stub import StubKubectl, fails, ok

PREPARE = "exec deploy/airflow-scheduler clickstream.streams.prepare_upgrade"
JOBMANAGER = "get deployment flink-jobmanager"
CRDS = {"sparkapplications": "v1beta2", "rayclusters": "v1", "rayservices": "v1", "rayjobs": "v1"}


@pytest.fixture
def kubectl(tmp_path: Path) -> StubKubectl:
    stub = StubKubectl(tmp_path)
    for name, version in CRDS.items():
        stub.on(f"get crd {name}. --ignore-not-found", ok(version))
    # The first wait ends the deployment: these tests are about what comes before.
    return stub.on("get statefulsets.apps", fails("Error from server (NotFound): the end of this test\n"))


def deploy(kubectl: StubKubectl, *options: str) -> str:
    done = kubectl.script("deploy-all", "--yes", "--skip-check", "--skip-operators", *options)
    assert done.returncode == 1
    return done.stderr


def order(kubectl: StubKubectl, *words: str) -> list[int]:
    """The positions of the first calls with these words."""
    calls = kubectl.calls("")
    return [next(number for number, call in enumerate(calls) if all(w in call for w in word.split())) for word in words]


def test_savepoints_are_taken_before_anything_is_applied(kubectl: StubKubectl) -> None:
    kubectl.on(JOBMANAGER, ok("deployment.apps/flink-jobmanager\n")).on("diff --server-side", (1, "- image: flink-apps:0.1.0\n", ""))
    text = deploy(kubectl)
    assert "savepoints before the upgrade of Flink" in text
    positions = order(kubectl, PREPARE, "apply --server-side")
    assert positions == sorted(positions)


def test_an_unchanged_flink_takes_no_savepoints(kubectl: StubKubectl) -> None:
    kubectl.on(JOBMANAGER, ok("deployment.apps/flink-jobmanager\n")).on("diff --server-side", ok())
    deploy(kubectl)
    assert kubectl.calls(PREPARE) == []


def test_a_first_deployment_takes_no_savepoints(kubectl: StubKubectl) -> None:
    deploy(kubectl)
    assert kubectl.calls(PREPARE) == kubectl.calls("diff") == []


def test_streams_that_take_no_savepoints_stop_the_upgrade(kubectl: StubKubectl) -> None:
    kubectl.on(JOBMANAGER, ok("deployment.apps/flink-jobmanager\n")).on("diff --server-side", (1, "", ""))
    kubectl.on(PREPARE, fails("fraud_scores: savepoint timed out\n"))
    text = deploy(kubectl)
    assert "fraud_scores: savepoint timed out" in text
    assert "so Flink is not upgraded: see the reason above, or add --skip-savepoints" in text
    assert kubectl.calls("apply --server-side") == []
    assert "the streams start from their last checkpoints" in deploy(kubectl, "--skip-savepoints")
    assert kubectl.calls("apply --server-side")


@pytest.mark.parametrize(("deployed", "warned"), [("0.2.0", True), ("0.1.0", False), ("0.0.9", False), ("", False)])
def test_a_downgrade_is_warned_about(kubectl: StubKubectl, deployed: str, warned: bool) -> None:
    kubectl.on("get namespace clickstream-airflow", ok(deployed))
    assert (f"warning: version {deployed} is deployed and 0.1.0 is older" in deploy(kubectl)) is warned


def test_namespaces_secrets_and_stores_come_before_the_rest(kubectl: StubKubectl) -> None:
    text = deploy(kubectl)
    positions = order(kubectl, "apply --server-side", "create -f -", "get statefulsets.apps")
    assert positions == sorted(positions)
    assert len(kubectl.calls("apply --server-side")) == 3, "namespaces, stores and tools"
    assert "generated: s3_secret_key" in text
    assert text.count("generated: s3_secret_key") == 1, "one value for all namespaces"
    assert kubectl.calls("create job") == []


def test_no_value_of_a_secret_is_printed_or_on_a_command_line(kubectl: StubKubectl) -> None:
    text = deploy(kubectl)
    assert not [line for line in [*kubectl.calls(""), *text.splitlines()] if "data:" in line or "--from-literal" in line]
