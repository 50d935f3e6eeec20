"""The scripts: shellcheck, --help, --dry-run, and error messages."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.rendered import ROOT, program
from tests.manifests.stub import StubKubectl

UNREACHABLE = Path(__file__).with_name("unreachable.kubeconfig")
SCRIPTS = ["check-prerequisites", "deploy-all", "validate-deployment", "submit-sample-jobs", "teardown"]
CHANGING = ["deploy-all", "submit-sample-jobs", "teardown"]


def script(name: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
    command = [str(ROOT / "scripts" / f"{name}.sh"), *arguments]
    # No cluster is reachable with this kubeconfig: a script that tries to change one fails.
    own = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "KUBECONFIG": str(UNREACHABLE)} | env
    return subprocess.run(command, capture_output=True, text=True, check=False, env=own, timeout=120)


def test_shellcheck_reports_nothing() -> None:
    files = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / "spark_apps" / "entrypoint.sh"]
    result = subprocess.run([program("shellcheck"), "-x", "-P", "SCRIPTDIR", *map(str, files)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    planted = subprocess.run([program("shellcheck"), "-"], input="#!/bin/bash\nrm $1\n", capture_output=True, text=True, check=False)
    assert planted.returncode != 0


@pytest.mark.parametrize("name", [*SCRIPTS, "build-images", "fetch-operators", "show-logins", "run-tool"])
def test_help_describes_the_script_and_its_exit_codes(name: str) -> None:
    result = script(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"scripts/{name}.sh" in result.stdout
    assert "Exit code: 0" in result.stdout
    assert len((ROOT / "scripts" / f"{name}.sh").read_text().splitlines()) <= 90


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("arguments", [("--overlay", "moon"), ("--nonsense",), ("--overlay",)])
def test_a_wrong_option_ends_with_one_line(name: str, arguments: tuple[str, ...]) -> None:
    result = script(name, *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", SCRIPTS[1:])
@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_dry_run_prints_commands_and_changes_nothing(name: str, overlay: str) -> None:
    result = script(name, "--overlay", overlay, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "+ kubectl" in result.stderr
    assert "refused" not in result.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_cluster_is_printed_first(name: str) -> None:
    arguments = () if name == "check-prerequisites" else ("--dry-run",)
    first = script(name, *arguments).stderr.splitlines()[0]
    assert first == f"{name}.sh: context nowhere, server https://127.0.0.1:1, overlay local"


@pytest.mark.parametrize("name", CHANGING)
def test_a_script_that_changes_the_cluster_needs_yes_without_a_terminal(name: str, tmp_path: Path) -> None:
    kubectl = StubKubectl(tmp_path)
    result = kubectl.script(name, KUBECONFIG=str(UNREACHABLE))
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    expected = r"error: this would (deploy|send|delete) .*context nowhere, server https://127.0.0.1:1.*: add --yes$"
    assert re.match(expected, last), result.stderr
    assert {call.split()[0] for call in kubectl.calls("")} <= {"config", "kustomize"}


def test_the_question_about_deleted_data_names_it(tmp_path: Path) -> None:
    assert "ALL DATA" in StubKubectl(tmp_path).script("teardown", "--delete-data").stderr
    assert "volumes and secrets stay" in StubKubectl(tmp_path).script("teardown").stderr


@pytest.mark.parametrize(("reply", "exit_code"), [("n\n", 1), ("", 1), ("y\n", 0)])
def test_on_a_terminal_the_question_is_asked(tmp_path: Path, reply: str, exit_code: int) -> None:
    kubectl = StubKubectl(tmp_path)
    controller, terminal = pty.openpty()
    os.write(controller, reply.encode() or b"\x04")
    own = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(UNREACHABLE)}
    command = [str(ROOT / "scripts" / "teardown.sh")]
    done = subprocess.run(command, stdin=terminal, env=own, capture_output=True, text=True, check=False, timeout=60)
    os.close(controller)
    os.close(terminal)
    assert done.returncode == exit_code, done.stderr
    assert bool(kubectl.calls("delete")) is (exit_code == 0)


def test_all_problems_are_printed_at_once_with_their_fixes() -> None:
    result = script("check-prerequisites", "--overlay", "production")
    assert result.returncode == 1
    problems = [line for line in result.stderr.splitlines() if line.startswith("problem: ")]
    assert any("cannot reach the Kubernetes API" in problem for problem in problems)
    assert sum("still contains the placeholder" in problem for problem in problems) == 3
    assert result.stderr.count("    fix: ") == len(problems)
    assert f"error: {len(problems)} problems" in result.stderr


def test_missing_programs_are_reported(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "sed", "grep", "awk", "env"):
        path = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / name).symlink_to(path)
    result = script("check-prerequisites", PATH=str(tmp_path))
    assert result.returncode == 1
    assert "kubectl is not on PATH" in result.stderr
    assert "openssl is not on PATH" in result.stderr
    assert "python3 is not on PATH" in result.stderr


def test_the_stores_are_ready_before_the_first_job() -> None:
    lines = script("deploy-all", "--overlay", "local", "--dry-run", "--skip-check").stderr.splitlines()
    first_job = next(i for i, line in enumerate(lines) if "create job lake-bootstrap" in line)
    waited_for = {word for line in lines[:first_job] if line.startswith("+ wait for") for word in line.split()}
    assert {"clickstream-object-store", "clickstream-nessie", "clickstream-kafka"} <= waited_for
    assert "clickstream-airflow" not in waited_for
    assert "clickstream-ray" in next(line for line in lines[first_job:] if line.startswith("+ wait for"))


@pytest.mark.parametrize("arguments", [("--push",), ("--load", "moon"), ("--load",), ("--nonsense",)])
def test_a_wrong_option_of_the_image_build_ends_with_one_line(arguments: tuple[str, ...]) -> None:
    result = script("build-images", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("builder", "save"), [("docker", "docker save"), ("podman", "podman save"), ("buildah", "docker-archive:")])
def test_the_image_build_makes_the_images_of_the_manifests_with_each_program(builder: str, save: str) -> None:
    arguments = ("--load", "kind", "--registry", "registry.example.org/clickstream", "--push", "--dry-run")
    result = script("build-images", *arguments, BUILDER=builder)
    assert result.returncode == 0, result.stderr
    listed = yaml.safe_load((ROOT / "manifests" / "components" / "images" / "kustomization.yaml").read_text())["images"]
    ours = {f"{entry['newName']}:{entry['newTag']}" for entry in listed if entry["newName"].startswith("localhost/")}
    built = {line.split(" -t ")[1].split()[0] for line in result.stderr.splitlines() if f"+ {builder} build " in line}
    assert built == ours | {"localhost/clickstream/base:0.1.0", "localhost/clickstream/build:0.1.0"}
    assert result.stderr.count(save) == result.stderr.count("kind load image-archive") == len(ours)
    assert result.stderr.count(f"{builder} push registry.example.org/clickstream/") == len(ours)
