"""Component backup: what the jobs may read, the order of their containers, and the order of the steps of scripts/restore.sh."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.rendered import RENDERS, ROOT, objects, program

SCRIPTS = ("backup", "restore", "restore-drill")
RESTORE = ("restore", "--from", "20260131T014000Z")


def script(name: str, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    path = f"{env.pop('FAKE', Path(program('kubectl')).parent)}:{Path(program('kubectl')).parent}:{os.environ['PATH']}"
    own = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "KUBECONFIG": str(Path(__file__).with_name("unreachable.kubeconfig"))}
    command = [str(ROOT / "scripts" / f"{name}.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=own | env, timeout=120)


def pod(render: str, name: str) -> Any:
    """The pod of a CronJob of the component."""
    jobs = (t for t in objects(render) if t["kind"] == "CronJob" and t["metadata"]["namespace"] == "clickstream-backup")
    return next(t for t in jobs if t["metadata"]["name"] == name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("render", RENDERS)
def test_databases_are_dumped_before_the_bucket_is_copied(render: str) -> None:
    """A file that a dump names is then still to be copied. Airflow's dump is the oldest: what it calls done is in the lake's."""
    spec = pod(render, "backup")
    assert [c["name"] for c in [*spec["initContainers"], *spec["containers"]]] == ["dump-airflow", "dump-nessie", "tool"]
    restore = pod(render, "restore")
    assert [c["name"] for c in [*restore["initContainers"], *restore["containers"]]] == ["objects", "nessie", "airflow"]


@pytest.mark.parametrize("name", ["backup", "restore", "verify"])
def test_only_containers_of_postgresql_mount_the_passwords_of_the_databases(name: str) -> None:
    spec = pod("local", name)
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        has_password = any(mount["name"] == "postgres" for mount in container["volumeMounts"])
        assert has_password == ("/postgres:" in container["image"]), container["name"]


def test_production_writes_backups_to_another_endpoint_than_the_lakes() -> None:
    settings = [t["data"] for t in objects("production") if t["kind"] == "ConfigMap" and t["metadata"]["namespace"] == "clickstream-backup"]
    merged = {key: value for data in settings for key, value in data.items()}
    assert merged["CLICKSTREAM_BACKUP_ENDPOINT"] != merged["CLICKSTREAM_S3_ENDPOINT"]
    assert merged["CLICKSTREAM_BACKUP_ACCESS_KEY_FILE"] != merged["CLICKSTREAM_S3_ACCESS_KEY_FILE"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_describes_the_script_and_its_exit_codes(name: str) -> None:
    result = script(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"scripts/{name}.sh" in result.stdout
    assert "Exit code: 0" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("restore", "--from", "newest"), "is lost: add --yes"),
        (("restore", "--yes"), "name a backup such as"),
        (("restore", "--yes", "--from", "../x"), "name a backup such as"),
        (("restore", "--yes", "--from"), "--from needs a value"),
        (("restore", "--nonsense"), "unknown option --nonsense"),
        (("backup", "--nonsense"), "unknown option --nonsense"),
        (("restore-drill", "--nonsense"), "unknown option --nonsense"),
    ],
)
def test_a_wrong_option_ends_with_one_line(arguments: tuple[str, ...], text: str) -> None:
    result = script(*arguments)
    assert result.returncode == 2, result.stderr
    assert text in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_writers_stop_before_the_restore_and_start_after_its_check() -> None:
    result = script(*RESTORE, "--dry-run")
    assert result.returncode == 0, result.stderr
    steps = [line for line in result.stderr.splitlines() if line.startswith("+ ")]

    def step(text: str) -> int:
        return next(number for number, line in enumerate(steps) if text in line)

    restored, verified = step("--from=cronjob/restore"), step("--from=cronjob/verify")
    for name in ("nessie", "flink-jobmanager", "flink-taskmanager", "airflow-scheduler"):
        assert step(f"scale deployment {name} --replicas 0") < restored
    assert step("scale deployment flink-jobmanager --replicas 0") < step("delete configmaps -l type=flink-native-kubernetes") < restored
    assert step('"BACKUP": "20260131T014000Z"') < restored
    assert restored < step("scale deployment nessie --replicas 1") < verified
    assert verified < step("scale deployment flink-taskmanager --replicas 1") < step("scale deployment airflow-scheduler --replicas 1")


def test_offsets_of_new_topics_are_lifted_after_the_check_and_before_the_streams_start() -> None:
    steps = script(*RESTORE, "--new-kafka", "--dry-run").stderr
    assert steps.index("--from=cronjob/verify") < steps.index("--from=cronjob/lift-offsets") < steps.index("flink-taskmanager --replicas 1")
    assert "lift-offsets" not in script(*RESTORE, "--dry-run").stderr


KUBECTL = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
  *"get deployment"*annotations*) echo 3 ;;
  *"get deployment"*) echo "$CURRENT" ;;
  *"get job"*) echo "$JOB_STATE" ;;
esac
"""


@pytest.mark.parametrize(("current", "remembered"), [("3", True), ("0", False)])
def test_replicas_are_remembered_and_those_of_a_failed_try_are_kept(tmp_path: Path, current: str, remembered: bool) -> None:
    """A job that fails leaves the writers stopped; the repeated restore starts as many as there were at first."""
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    calls = tmp_path / "calls"
    env = {"FAKE": str(tmp_path), "CALLS": str(calls), "CURRENT": current, "JOB_STATE": "FailureTarget Failed"}
    failed = script(*RESTORE, "--yes", **env)
    assert failed.returncode == 1, failed.stderr
    assert ("annotate deployment nessie clickstream/replicas-before-restore=3" in calls.read_text()) is remembered
    assert not any("scale" in call and "--replicas 0" not in call for call in calls.read_text().splitlines())


def test_the_drill_leaves_nothing_and_fails_without_a_backup(tmp_path: Path) -> None:
    # pytest's folder is too deep for the sockets of a stack.
    with tempfile.TemporaryDirectory() as folder:
        env = {"TMPDIR": folder, "CLICKSTREAM_BACKUP_TARGET": str(tmp_path / "none")}
        result = script("restore-drill", **env)
        assert list(Path(folder).iterdir()) == []
    assert result.returncode == 2, result.stderr
    assert "there is no backup" in result.stderr
