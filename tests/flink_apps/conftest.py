"""A PyFlink of one's own: the installed libraries, the project's jars, and the function compiled from its present source."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
# A JVM that plans one job, or runs it over a small file, ends before the second compiler pays.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"


@pytest.fixture(scope="session")
def flink_home() -> Path:
    spec = find_spec("pyflink")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def libraries(flink_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of jars that a cluster of ours has."""
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
    """The environment of a process that plans or runs a job by itself."""
    paths = {"PYTHONPATH": f"{REPO}:{REPO / 'contracts'}", "FLINK_HOME": str(flink_home), "FLINK_LIB_DIR": str(libraries)}
    return dict(os.environ) | paths | {"JAVA_TOOL_OPTIONS": SHORT_LIVED}


@pytest.fixture(scope="module")
def plan(request: pytest.FixtureRequest, flink_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The optimized execution plan of the module's STREAM, its doors included."""
    command = [sys.executable, "-m", "tests.flink_apps.plan", request.module.STREAM, str(tmp_path_factory.mktemp("plan"))]
    done = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.partition("== Optimized Execution Plan ==")[2]
