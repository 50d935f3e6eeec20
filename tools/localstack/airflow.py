"""Airflow: api-server first, then dag-processor, scheduler and triggerer, on SQLite and the LocalExecutor."""

import hashlib
import json
import secrets
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.localstack import health
from tools.localstack.layout import ROOT, Stack, write_private
from tools.localstack.part import Health, Part, Step

BIN = ROOT / ".venvs" / "airflow" / "bin"
POOLS = (("spark", "1", "One Spark application at a time"),)
BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
# A scheduler that starts before the engines would fail the tasks that were due.
ENGINES = ("lake", "topics", "flink-taskmanager", "spark-connect", "ray-head")


def parts(stack: Stack) -> list[Part]:
    """The four processes."""
    server = _part(stack, "api-server", "metadatabase", ("airflow-db",), "--host", "127.0.0.1", "--port", str(stack.settings.airflow_port))
    ready = (server.name,)
    return [
        server,
        _part(stack, "dag-processor", "dag_processor", ready),
        # Airflow's log servers would listen on all interfaces; the page reads the same files without them.
        _part(stack, "scheduler", "scheduler", ready, "--skip-serve-logs", after=(*ENGINES, "airflow-dag-processor")),
        _part(stack, "triggerer", "triggerer", ready, "--skip-serve-logs"),
    ]


def step(stack: Stack) -> Step:
    """Makes or upgrades the database and the pools."""
    return Step("airflow-db", lambda: _migrate(stack))


def _part(stack: Stack, verb: str, component: str, needs: tuple[str, ...], *flags: str, after: tuple[str, ...] = ()) -> Part:
    return Part(
        name=f"airflow-{verb}",
        argv=(str(BIN / "airflow"), verb, *flags),
        home=stack.folder("airflow"),
        env=environment(stack),
        address=address(stack),
        health=_health(stack, component),
        needs=needs,
        after=after,
        stop_seconds=15,
    )


def address(stack: Stack) -> str:
    """Address of the page and the API."""
    return f"http://127.0.0.1:{stack.settings.airflow_port}"


def login_file(stack: Stack) -> Path:
    """The file with the page's passwords, by user."""
    return stack.dir / "secrets" / "airflow_passwords.json"


def password(stack: Stack, user: str) -> str:
    """The password of one of the page's users."""
    return str(json.loads(login_file(stack).read_text())[user])


def _health(stack: Stack, component: str) -> Health:
    def probe(since: float) -> str:
        def problem(body: Any) -> str:
            state = body[component]
            if state["status"] != "healthy":
                return f"{component} is {state['status']}"
            beat = state.get(f"latest_{component}_heartbeat")
            # Right after a restart the last beat may still be the dead process's.
            return "" if beat is None or datetime.fromisoformat(beat).timestamp() >= since else f"{component} has not reported yet"

        return health.http_json(f"{address(stack)}/api/v2/monitor/health", problem)(since)

    return probe


def environment(stack: Stack) -> dict[str, str]:
    """What every Airflow process must share, tasks included."""
    home = stack.dir / "airflow"
    sections = {
        "core": {
            "load_examples": "False",
            "parallelism": "4",
            "dags_are_paused_at_creation": "True",
            "dags_folder": str(ROOT / "dags"),
            "plugins_folder": str(ROOT / "plugins"),
            "fernet_key": stack.secret("airflow_fernet_key") + "=",
            "simple_auth_manager_users": "admin:admin,viewer:viewer",
            "simple_auth_manager_passwords_file": str(login_file(stack)),
        },
        "api": {"host": "127.0.0.1", "port": str(stack.settings.airflow_port), "base_url": address(stack), "workers": "1"},
        # A task whose process was killed is tried again after a minute instead of five.
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
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
        "NO_PROXY": "127.0.0.1,localhost",
        # Process titles must not overwrite the environment by which `make down` knows its own.
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


def _migrate(stack: Stack) -> None:
    home = stack.folder("airflow")
    if not login_file(stack).exists():
        write_private(login_file(stack), json.dumps({user: secrets.token_urlsafe(15) for user in ("admin", "viewer")}))
    stamp, digest = home / "migrated", hashlib.sha256((ROOT / "requirements.lock").read_bytes() + repr(POOLS).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    _airflow(stack, "db", "migrate")
    for pool in POOLS:
        _airflow(stack, "pools", "set", *pool)
    write_private(stamp, digest)


def _airflow(stack: Stack, *arguments: str) -> None:
    env = stack.environment("airflow-db", environment(stack))
    done = subprocess.run([BIN / "airflow", *arguments], env=env, cwd=stack.dir / "airflow", capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`airflow {' '.join(arguments)}` failed:\n{done.stderr[-2000:]}")
