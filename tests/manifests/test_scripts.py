"""The scripts: shellcheck, --help, --dry-run, and error messages."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.rendered import ROOT, program

UNREACHABLE = Path(__file__).with_name("unreachable.kubeconfig")
SCRIPTS = ["check-prerequisites", "deploy-all", "validate-deployment", "submit-sample-jobs", "teardown"]


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


@pytest.mark.parametrize("name", [*SCRIPTS, "build-images"])
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


def test_a_dry_run_creates_no_secret(tmp_path: Path) -> None:
    before = (ROOT / ".stack" / "kubernetes").exists()
    script("deploy-all", "--dry-run")
    assert (ROOT / ".stack" / "kubernetes").exists() == before


def test_all_problems_are_printed_at_once_with_their_fixes() -> None:
    result = script("check-prerequisites", "--overlay", "production")
    assert result.returncode == 1
    problems = [line for line in result.stderr.splitlines() if line.startswith("problem: ")]
    assert any("cannot reach the Kubernetes API" in problem for problem in problems)
    assert sum("still contains the placeholder" in problem for problem in problems) == 4
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


KUBECTL_WITH_JOB_STATES = """#!/bin/bash
case "$*" in
  *"get job"*) head -n 1 "$STATES"; sed -i 1d "$STATES" ;;
  *logs*) echo "log of the job" ;;
esac
"""


@pytest.mark.parametrize(
    ("states", "exit_code"),
    [("\nSuccessCriteriaMet\nSuccessCriteriaMet Complete\n", 0), ("FailureTarget\nFailureTarget Failed\n", 1)],
)
def test_a_job_has_ended_only_when_it_is_complete_or_failed(tmp_path: Path, states: str, exit_code: int) -> None:
    """Kubernetes 1.31 sets SuccessCriteriaMet and FailureTarget some time before Complete and Failed."""
    (tmp_path / "kubectl").write_text(KUBECTL_WITH_JOB_STATES)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "states").write_text(states)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STATES": str(tmp_path / "states")}
    run_job = f"source {ROOT / 'scripts' / 'lib.sh'}; run_job clickstream-tools smoke-test 30"
    result = subprocess.run(["bash", "-c", run_job], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == exit_code, result.stderr
    assert "log of the job" in result.stderr
    failure = "FailureTarget Failed; run: kubectl -n clickstream-tools describe job smoke-test-"
    assert ("error: job clickstream-tools/smoke-test-" in result.stderr and failure in result.stderr) == (exit_code == 1)
    assert (tmp_path / "states").read_text() == ""


def test_the_stores_are_ready_before_the_first_job() -> None:
    lines = script("deploy-all", "--overlay", "local", "--dry-run", "--skip-check").stderr.splitlines()
    first_job = next(i for i, line in enumerate(lines) if "create job lake-bootstrap" in line)
    waited_for = {line.split()[3] for line in lines[:first_job] if "rollout status" in line}
    assert {"clickstream-object-store", "clickstream-nessie", "clickstream-kafka"} <= waited_for


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


KUBECTL_WITH_DAG_RUNS = """#!/bin/bash
case "$*" in
  *"dags list-runs clickstream_nightly"*) state=success ;;
  *"dags list-runs clickstream_train"*) state=$TRAIN_STATE ;;
  *"get job"*) echo Complete; exit ;;
  *) state=success ;;
esac
case "$*" in
  *"dags trigger"*) echo "${@: -1}" >"$RUN_ID" ;;
  *"dags list-runs"*)
    echo "You might need to install the graphviz package"
    echo "dag_id run_id state run_after logical_date"
    dag=$(sed 's/.*list-runs \\([a-z_]*\\).*/\\1/' <<<"$*")
    echo "$dag $(cat "$RUN_ID") $state 2999-01-01T00:00:00.000000+00:00"
    echo "$dag old_run failed 2000-01-01T00:00:00.000000+00:00"
    ;;
esac
"""


@pytest.mark.parametrize(("train_state", "exit_code"), [("success", 0), ("failed", 1)])
def test_the_sample_jobs_wait_for_each_dag_of_the_chain(tmp_path: Path, train_state: str, exit_code: int) -> None:
    """Runs of before the start and the header of Airflow's table do not count."""
    (tmp_path / "kubectl").write_text(KUBECTL_WITH_DAG_RUNS)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUN_ID": str(tmp_path / "run_id"), "TRAIN_STATE": train_state}
    command = [str(ROOT / "scripts" / "submit-sample-jobs.sh")]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == exit_code, result.stderr
    ended = [line.split()[0] for line in result.stderr.splitlines() if line.endswith(" success")]
    assert ended[:3] == ["clickstream_streams", "clickstream_nightly", "clickstream_features"]
    assert ("clickstream_rollout" in ended) is (train_state == "success")
    if exit_code:
        assert "error: DAG clickstream_train: state 'failed'" in result.stderr
