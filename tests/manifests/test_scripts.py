"""The scripts: clean, helpful, harmless with --dry-run, and clear about what is wrong."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.manifests.rendered import ROOT, program

NOWHERE = Path(__file__).with_name("nowhere.kubeconfig")
SCRIPTS = ["check-prerequisites", "deploy-all", "validate-deployment", "submit-sample-jobs", "teardown"]


def script(name: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
    command = [str(ROOT / "scripts" / f"{name}.sh"), *arguments]
    # No cluster answers here: a script that would change one fails.
    own = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "KUBECONFIG": str(NOWHERE)} | env
    return subprocess.run(command, capture_output=True, text=True, check=False, env=own, timeout=120)


def test_shellcheck_has_nothing_to_say() -> None:
    files = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / "spark_apps" / "entrypoint.sh"]
    done = subprocess.run([program("shellcheck"), "-x", "-P", "SCRIPTDIR", *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    planted = subprocess.run([program("shellcheck"), "-"], input="#!/bin/bash\nrm $1\n", capture_output=True, text=True, check=False)
    assert planted.returncode != 0


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_does_and_how_it_ends(name: str) -> None:
    done = script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"scripts/{name}.sh" in done.stdout
    assert "Exit code: 0" in done.stdout
    assert len((ROOT / "scripts" / f"{name}.sh").read_text().splitlines()) <= 90


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("arguments", [("--overlay", "moon"), ("--nonsense",), ("--overlay",)])
def test_a_wrong_option_ends_with_one_line(name: str, arguments: tuple[str, ...]) -> None:
    done = script(name, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", SCRIPTS[1:])
@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_dry_run_says_what_it_would_do_and_does_nothing(name: str, overlay: str) -> None:
    done = script(name, "--overlay", overlay, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "+ kubectl" in done.stderr
    assert "refused" not in done.stderr


def test_a_dry_run_makes_no_secret(tmp_path: Path) -> None:
    before = (ROOT / ".stack" / "kubernetes").exists()
    script("deploy-all", "--dry-run")
    assert (ROOT / ".stack" / "kubernetes").exists() == before


def test_everything_that_is_missing_is_named_at_once_with_its_cure() -> None:
    done = script("check-prerequisites", "--overlay", "production")
    assert done.returncode == 1
    misses = [line for line in done.stderr.splitlines() if line.startswith("problem: ")]
    assert any("cannot reach the Kubernetes API" in miss for miss in misses)
    assert sum("still contains the placeholder" in miss for miss in misses) == 3
    assert done.stderr.count("    fix: ") == len(misses)
    assert f"error: {len(misses)} problems" in done.stderr


def test_a_machine_without_anything_is_told_so(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "sed", "grep", "awk", "env"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / name).symlink_to(found)
    done = script("check-prerequisites", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "kubectl is not on PATH" in done.stderr
    assert "openssl is not on PATH" in done.stderr
