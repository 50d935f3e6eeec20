"""run-tool.sh: a command of ./clickstream runs once in the cluster, with the image, the keys and the network of the tools."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.kube.tool_job import tool_job
from tests.manifests.pods import pods
from tests.manifests.rendered import ROOT, objects
from tests.manifests.rules_pods import RULES
from tests.manifests.stub import StubKubectl, fails, ok

ACCEPT = ["repair", "accept", "--reason", 'a file\'s test, sent by "mistake"']


def template(render: str = "local") -> Any:
    """The CronJob that the script takes the pod from."""
    return next(t for t in objects(render) if t["kind"] == "CronJob" and t["metadata"]["name"] == "lift-offsets")


@pytest.fixture
def kubectl(tmp_path: Path) -> StubKubectl:
    stub = StubKubectl(tmp_path)
    stub.on("get cronjobs.batch/lift-offsets", ok(template()))
    stub.on("logs job/run-tool", ok("3 records\n"))
    return stub


def ended(condition: str) -> Any:
    return ok({"metadata": {"name": "run-tool"}, "status": {"conditions": [{"type": condition, "status": "True", "reason": "x"}]}})


@pytest.mark.parametrize("render", ["local", "production", "external"])
def test_the_job_is_a_restricted_pod_of_the_tools_that_runs_the_command_once(render: str) -> None:
    job = tool_job(template(render), "run-tool-1", "anna", ACCEPT)
    [pod] = pods([job])
    assert [text for rule in RULES for text in rule(pod)] == []
    assert pod.labels["app.kubernetes.io/name"] == "tool", "the network policies select this label"
    assert (job["spec"]["backoffLimit"], pod.spec["restartPolicy"]) == (0, "Never")
    [container] = pod.spec["containers"]
    assert container["command"] == ["python", "-m", "tools.cli", *ACCEPT]
    assert {"name": "LOGNAME", "value": "anna"} in container["env"]
    assert container["envFrom"][0]["configMapRef"]["name"].startswith("clickstream-settings")
    # The CronJob itself is not changed.
    assert "lift-offsets" in template(render)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"]


def test_the_image_of_the_tools_has_the_commands_that_the_script_names() -> None:
    named = re.search(r"image of the tools: (.*)\.", (ROOT / "scripts" / "run-tool.sh").read_text())
    assert named
    copied = set(re.findall(r"^COPY tools/([\w.]+)", (ROOT / "tools" / "Dockerfile").read_text(), re.M))
    modules = {"refs": "lake", "trace": "lake"}
    assert {modules.get(name, name) for name in named[1].split(", ")} | {"cli.py"} <= copied


def test_the_output_of_the_command_is_printed_and_the_job_is_deleted(kubectl: StubKubectl) -> None:
    kubectl.on("get jobs.batch", ended("Complete"))
    done = kubectl.script("run-tool", "--yes", "--", "repair", "status")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 records\n"
    assert len(kubectl.calls("create -f -")) == 1
    [deleted] = kubectl.calls("delete job run-tool-")
    assert "clickstream-tools" in deleted


def test_a_command_that_fails_is_exit_code_1_and_its_job_stays(kubectl: StubKubectl) -> None:
    kubectl.on("get jobs.batch", ended("Failed")).on("get pods", ok({"items": []}))
    done = kubectl.script("run-tool", "--yes", "--", "repair", "topic")
    assert done.returncode == 1
    assert done.stdout == "3 records\n"
    assert "error: 'clickstream repair topic' did not succeed; the Job clickstream-tools/run-tool-" in done.stderr
    assert kubectl.calls("delete") == []


def test_without_the_tools_in_the_cluster_nothing_is_created(tmp_path: Path) -> None:
    kubectl = StubKubectl(tmp_path).on(
        "get cronjobs.batch", fails('Error from server (NotFound): cronjobs.batch "lift-offsets" not found\n')
    )
    done = kubectl.script("run-tool", "--yes", "--", "repair", "status")
    assert done.returncode == 1
    assert 'cronjobs.batch "lift-offsets" not found; is everything deployed?' in done.stderr
    assert kubectl.calls("create") == []


@pytest.mark.parametrize("arguments", [("--yes",), ("--yes", "--"), ("repair", "status"), ("--", "repair", "status")])
def test_without_a_command_or_a_confirmation_nothing_is_created(kubectl: StubKubectl, arguments: tuple[str, ...]) -> None:
    done = kubectl.script("run-tool", *arguments)
    assert done.returncode == 2, done.stderr
    assert kubectl.calls("create") == []


def test_a_dry_run_creates_nothing(kubectl: StubKubectl) -> None:
    done = kubectl.script("run-tool", "--dry-run", "--", "repair", "status")
    assert done.returncode == 0
    assert "python -m tools.cli repair status" in done.stderr
    assert kubectl.calls("create") == []


def test_words_with_spaces_and_quotes_reach_the_command_unchanged(kubectl: StubKubectl) -> None:
    """The shell passes each word on as it is."""
    done = kubectl.run("python3", "-m", "scripts.kube.tool_job", "clickstream-tools", "lift-offsets", "run-tool-1", "anna", *ACCEPT)
    assert json.loads(done.stdout)["spec"]["template"]["spec"]["containers"][0]["command"][3:] == ACCEPT
