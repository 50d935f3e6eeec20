"""Airflow: api-server, dag-processor, scheduler and triggerer on SQLite with the LocalExecutor."""

import hashlib
import json
import secrets
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.common.http import LOOPBACK
from tools.localstack import code, health
from tools.localstack.layout import ROOT, Stack, write_private
from tools.localstack.units import Component, Health, Step

BIN = ROOT / ".venvs" / "airflow" / "bin"
SECONDS_PER_DAY = 86400
POOLS = (("spark", "1", "One Spark application at a time"),)
BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
# A scheduler that starts before the engines would fail the tasks that are due.
ENGINES = ("lake", "topics", "flink-taskmanager", "spark-connect", "ray-head")


def components(stack: Stack) -> list[Component]:
    """Returns the four processes. The api-server migrates nothing: `step` does, before it starts."""
    address_flags = ("--host", "127.0.0.1", "--port", str(stack.settings.airflow_port))
    server = _component(stack, "api-server", "metadatabase", ("airflow-db",), *address_flags)
    needs = (server.name,)
    return [
        server,
        _component(stack, "dag-processor", "dag_processor", needs),
        # Airflow's log servers would listen on all interfaces; the web page reads the log files without them.
        _component(stack, "scheduler", "scheduler", needs, "--skip-serve-logs", after=(*ENGINES, "airflow-dag-processor")),
        _component(stack, "triggerer", "triggerer", needs, "--skip-serve-logs"),
    ]


def step(stack: Stack) -> Step:
    """Returns the step that creates or migrates the database and sets the pools."""
    return Step("airflow-db", lambda: _migrate(stack))


def _component(stack: Stack, command: str, health_key: str, needs: tuple[str, ...], *flags: str, after: tuple[str, ...] = ()) -> Component:
    """Returns `airflow COMMAND`; `health_key` is its key in the api-server's health document."""
    return Component(
        name=f"airflow-{command}",
        argv=(str(BIN / "airflow"), command, *flags),
        home=stack.folder("airflow"),
        env=environment(stack),
        address=address(stack),
        health=_health(stack, health_key),
        needs=needs,
        after=after,
        stop_seconds=15,
        # DAG files are read again while it runs.
        code=(code.environment("airflow"), "requirements.lock", "plugins", code.CONTRACTS),
    )


def address(stack: Stack) -> str:
    """Returns the address of the web page and the REST API."""
    return f"http://127.0.0.1:{stack.settings.airflow_port}"


def login_file(stack: Stack) -> Path:
    """Returns the file with the passwords by user name, as JSON."""
    return stack.dir / "secrets" / "airflow_passwords.json"


def password(stack: Stack, user: str) -> str:
    """Returns the password of a user."""
    return str(json.loads(login_file(stack).read_text())[user])


def _health(stack: Stack, key: str) -> Health:
    def probe(since: float) -> str:
        def problem(body: Any) -> str:
            state = body[key]
            if state["status"] != "healthy":
                return f"{key} is {state['status']}"
            heartbeat = state.get(f"latest_{key}_heartbeat")
            # Right after a restart the last heartbeat may still be the old process's.
            if heartbeat is not None and datetime.fromisoformat(heartbeat).timestamp() < since:
                return f"{key} has sent no heartbeat yet"
            return ""

        return health.http_json(f"{address(stack)}/api/v2/monitor/health", problem)(since)

    return probe


def environment(stack: Stack) -> dict[str, str]:
    """Returns the environment that all Airflow processes share, tasks included."""
    home = stack.dir / "airflow"
    sections = {
        "core": {
            "load_examples": "False",
            "parallelism": "5",
            "dags_are_paused_at_creation": "True",
            "dags_folder": str(ROOT / "dags"),
            "plugins_folder": str(ROOT / "plugins"),
            "fernet_key": stack.secret("airflow_fernet_key") + "=",
            "simple_auth_manager_users": "admin:admin,viewer:viewer",
            "simple_auth_manager_passwords_file": str(login_file(stack)),
        },
        "api": {"host": "127.0.0.1", "port": str(stack.settings.airflow_port), "base_url": address(stack), "workers": "1"},
        # A task whose process was killed is retried after one minute instead of five.
        "scheduler": {"task_instance_heartbeat_timeout": "60"},
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "usage_data_collection": {"enabled": "False"},
        "dag_processor": _dag_processor(home),
    }
    sections["api"]["secret_key"] = stack.secret("airflow_api_key")
    sections["api_auth"] = {"jwt_secret": stack.secret("airflow_jwt")}
    options = {f"AIRFLOW__{section}__{key}".upper(): value for section, keys in sections.items() for key, value in keys.items()}
    return options | {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}:{ROOT / 'plugins'}",
        "CLICKSTREAM_SPARK_POOL": POOLS[0][0],
        "NO_PROXY": ",".join(LOOPBACK),
        # setproctitle must not overwrite the environment, by which `stack down` finds the processes of the stack.
        "SPT_NOENV": "1",
    }


def _dag_processor(home: Path) -> dict[str, str]:
    bundle = {"name": "clickstream", "classpath": BUNDLE, "kwargs": {"path": str(ROOT / "dags")}}
    return {
        "dag_bundle_config_list": json.dumps([bundle]),
        "dag_bundle_storage_path": str(home / "bundles"),
        "refresh_interval": "60",
        "min_file_process_interval": "60",
    }


def cleanup_command(days: int = 0) -> list[str]:
    """Returns the command that removes rows and logs older than `days`, or than the setting airflow_retention_days if it is 0."""
    return [str(BIN / "python"), "-m", "clickstream.cleanup", *(["--days", str(days)] if days else [])]


def _migrate(stack: Stack) -> None:
    home = stack.folder("airflow")
    if not login_file(stack).exists():
        write_private(login_file(stack), json.dumps({user: secrets.token_urlsafe(15) for user in ("admin", "viewer")}))
    stamp = home / "migrated"
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes() + repr(POOLS).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        _clean_daily(stack)
        return
    _airflow(stack, "db", "migrate")
    for pool in POOLS:
        _airflow(stack, "pools", "set", *pool)
    write_private(stamp, digest)


def _clean_daily(stack: Stack) -> None:
    """Removes old rows and logs before Airflow starts, if that was not done within a day."""
    stamp = stack.dir / "airflow" / "cleaned"
    if not stamp.exists() or time.time() - stamp.stat().st_mtime > SECONDS_PER_DAY:
        _run(stack, cleanup_command())
        stamp.touch()


def _airflow(stack: Stack, *arguments: str) -> None:
    _run(stack, [str(BIN / "airflow"), *arguments])


def _run(stack: Stack, command: list[str]) -> None:
    env = stack.environment(environment(stack))
    result = subprocess.run(command, env=env, cwd=stack.dir / "airflow", capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{result.stderr[-2000:]}")
