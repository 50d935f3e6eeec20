"""The environment of a PyFlink process: the installed libraries, the project's jars and the freshly compiled Java functions."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
# A JVM that plans one job or reads one small file ends before the optimising compiler pays off.
SHORT_LIVED_JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"


@pytest.fixture(scope="session")
def flink_home() -> Path:
    spec = find_spec("pyflink")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def libraries(flink_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the jars that the project's clusters have."""
    folder = tmp_path_factory.mktemp("lib")
    jars = [*flink_home.glob("lib/*.jar"), *REPO.glob(".jars/flink/*.jar")]
    for jar in jars:
        (folder / jar.name).symlink_to(jar)
    classes = tmp_path_factory.mktemp("classes")
    sources = [str(path) for path in (REPO / "flink_apps/java").rglob("*.java")]
    subprocess.run(["javac", "-cp", f"{flink_home}/lib/*", "-d", classes, *sources], check=True)
    subprocess.run(["jar", "--create", "--file", folder / "clickstream-udf.jar", "-C", classes, "."], check=True)
    return folder


@pytest.fixture(scope="session")
def flink_environment(flink_home: Path, libraries: Path) -> dict[str, str]:
    """The environment variables of a process that plans or runs a job without a cluster."""
    paths = {"PYTHONPATH": f"{REPO}:{REPO / 'contracts'}", "FLINK_HOME": str(flink_home), "FLINK_LIB_DIR": str(libraries)}
    return dict(os.environ) | paths | {"JAVA_TOOL_OPTIONS": SHORT_LIVED_JVM}


@pytest.fixture(scope="module")
def plan(request: pytest.FixtureRequest, flink_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The optimized execution plan of the module's STREAM with its Kafka connectors."""
    command = [sys.executable, "-m", "tests.flink_apps.plan", request.module.STREAM, str(tmp_path_factory.mktemp("plan"))]
    process = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout.partition("== Optimized Execution Plan ==")[2]
