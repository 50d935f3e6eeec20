"""Flink: a session cluster of one JobManager and one TaskManager, started by the scripts of the apache-flink wheel."""

from pathlib import Path
from typing import Any

import yaml

from tools.localstack import code, health
from tools.localstack.java import C1_OPTIONS, DATA_PATH_OPTIONS, temporary_files
from tools.localstack.layout import ROOT, Stack, installed, write_private
from tools.localstack.units import Component

Options = dict[str, str | int | bool]

LOOPBACK = "127.0.0.1"
# A slot per stream and two spare slots: the slot of a stopped job is released only after a while.
SLOTS = 6
LOGGING = """rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.name=console
appender.console.type=CONSOLE
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


def components(stack: Stack) -> list[Component]:
    """Returns JobManager and TaskManager; both read the configuration that `prepare` writes before they start."""
    home, uri = stack.folder("flink"), stack.settings.flink_uri
    common: dict[str, Any] = {
        "home": home,
        "env": _environment(stack, home),
        "prepare": lambda: _prepare(stack, home),
        "stop_seconds": 8,
        "temporary": (home / "tmp",),
        "code": (code.environment("flink"), code.jars(), code.jars("flink-udf")),
    }
    return [
        Component(
            name="flink-jobmanager",
            argv=(str(pyflink() / "bin" / "jobmanager.sh"), "start-foreground"),
            address=uri,
            health=health.http_json(f"{uri}/overview", lambda body: ""),
            needs=("bucket",),
            **common,
        ),
        Component(
            name="flink-taskmanager",
            argv=(str(pyflink() / "bin" / "taskmanager.sh"), "start-foreground"),
            address=f"127.0.0.1:{stack.settings.flink_rpc_port + 2}",
            health=health.http_json(f"{uri}/taskmanagers", _registered),
            needs=("flink-jobmanager",),
            **common,
        ),
    ]


def _registered(body: Any) -> str:
    has_slots = any(manager["slotsNumber"] for manager in body["taskmanagers"])
    return "" if has_slots else "not registered with the JobManager yet"


def pyflink() -> Path:
    """Returns the folder of the installed Flink."""
    return installed(".venvs/flink/lib", "python*/site-packages/pyflink")


def _environment(stack: Stack, home: Path) -> dict[str, str]:
    # Without FLINK_HOME, PyFlink would overwrite FLINK_LIB_DIR and lose the connectors.
    return {
        "FLINK_HOME": str(pyflink()),
        **{f"FLINK_{name.upper()}_DIR": str(home / name) for name in ("lib", "plugins", "conf", "log", "pid")},
        "AWS_REGION": stack.settings.s3_region,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
    }


def _prepare(stack: Stack, home: Path) -> None:
    added = [*(ROOT / ".jars" / "flink").glob("*.jar"), *(ROOT / ".jars" / "flink-udf").glob("*.jar")]
    _link(stack.folder("flink", "lib"), [*(pyflink() / "lib").glob("*.jar"), *added])
    _link(stack.folder("flink", "plugins", "s3-fs-hadoop"), list((ROOT / ".jars" / "flink-s3").glob("*.jar")))
    for name in ("log", "pid", "tmp"):
        stack.folder("flink", name)
    conf = stack.folder("flink", "conf")
    for name in ("log4j.properties", "log4j-console.properties", "log4j-cli.properties"):
        write_private(conf / name, LOGGING)
    write_private(conf / "config.yaml", yaml.safe_dump(config(stack), width=10_000))


def _link(folder: Path, files: list[Path]) -> None:
    wanted = {file.name: file for file in files}
    for old in folder.iterdir():
        if old.name not in wanted or old.readlink() != wanted[old.name]:
            old.unlink()
    for name, file in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(file)


def config(stack: Stack) -> Options:
    """Returns the configuration of the cluster; each job adds its own."""
    return _addresses(stack) | _sizes() | _recovery(stack) | _storage(stack) | _python(stack)


def _addresses(stack: Stack) -> Options:
    rpc_port, rest_port = stack.settings.flink_rpc_port, stack.settings.flink_port
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "jobmanager.rpc.port": rpc_port,
        "blob.server.port": rpc_port + 1,
        "taskmanager.rpc.port": rpc_port + 2,
        "taskmanager.data.port": rpc_port + 3,
        "rest.port": rest_port,
        "rest.bind-port": rest_port,
        # The default * lets any web page in the user's browser call the REST API, and so submit a job.
        "web.access-control-allow-origin": f"http://{LOOPBACK}:{rest_port}",
        "jobmanager.retrieve-taskmanager-hostname": False,
        # A job submission by REST returns only when Python has planned the job.
        "web.timeout": 300_000,
        "pekko.ask.timeout": "60 s",
    }


def _sizes() -> Options:
    return {
        "jobmanager.memory.process.size": "1000m",
        "taskmanager.memory.process.size": "1700m",
        "taskmanager.memory.managed.size": "64m",
        "taskmanager.memory.network.min": "64m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.numberOfTaskSlots": SLOTS,
        "parallelism.default": 1,
    }


def _recovery(stack: Stack) -> Options:
    return {
        "heartbeat.interval": 2000,
        "heartbeat.timeout": 8000,
        # With the same id after a restart, the JobManager drops the dead TaskManager at once.
        "taskmanager.resource-id": "taskmanager-1",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "15 s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }


def _storage(stack: Stack) -> Options:
    keys = stack.settings.s3_keys()
    bucket = stack.settings.s3_bucket
    return {
        "state.backend.type": "hashmap",
        "execution.checkpointing.dir": f"s3://{bucket}/flink/checkpoints",
        "execution.checkpointing.savepoint-dir": f"s3://{bucket}/flink/savepoints",
        "s3.endpoint": stack.settings.s3_endpoint,
        "s3.path.style.access": True,
        "io.tmp.dirs": str(stack.dir / "flink" / "tmp"),
        # Uploaded jars.
        "web.tmpdir": str(stack.dir / "flink" / "tmp"),
        **({"s3.access-key": keys[0], "s3.secret-key": keys[1]} if keys else {}),
    }


def _python(stack: Stack) -> Options:
    python = str(ROOT / ".venvs" / "flink" / "bin" / "python")
    shipped = yaml.safe_load((pyflink() / "conf" / "config.yaml").read_text())
    return {
        "python.client.executable": python,
        "python.executable": python,
        # A replaced config.yaml must repeat the --add-opens options of the shipped one.
        "env.java.opts.all": " ".join((shipped["env"]["java"]["opts"]["all"], *temporary_files(stack.dir / "flink" / "tmp"))),
        "env.java.opts.jobmanager": " ".join(C1_OPTIONS),
        "env.java.opts.taskmanager": " ".join(DATA_PATH_OPTIONS[stack.settings.jit]),
    }
