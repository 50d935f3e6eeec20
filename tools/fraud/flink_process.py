"""Runs a module of flink_apps with the installed PyFlink and the project's jars, without a cluster."""

from pathlib import Path

REPO = Path(__file__).parents[2]
PYTHON = REPO / ".venvs/flink/bin/python"


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment variables of a PyFlink process; `folder` receives links to Flink's libraries and the project's jars."""
    home = next((REPO / ".venvs/flink/lib").glob("python*/site-packages/pyflink"))
    libraries = folder / "lib"
    libraries.mkdir()
    for jar in [*home.glob("lib/*.jar"), *REPO.glob(".jars/flink/*.jar"), *REPO.glob(".jars/flink-udf/*.jar")]:
        (libraries / jar.name).symlink_to(jar)
    return {"PYTHONPATH": f"{REPO}:{REPO / 'contracts'}", "FLINK_HOME": str(home), "FLINK_LIB_DIR": str(libraries)}
