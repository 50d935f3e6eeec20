"""Flink: a session cluster of one JobManager and one TaskManager, from the scripts that pip brings."""

from pathlib import Path
from typing import Any

import yaml

from tools.localstack import health
from tools.localstack.java import LIGHT, WORKING
from tools.localstack.layout import ROOT, Stack, installed, write_private
from tools.localstack.part import Part

Options = dict[str, str | int | bool]

LOOPBACK = "127.0.0.1"
# One for each stream, and two to spare: a slot of a stopped job is free only some time later.
SLOTS = 6
LOGGING = """rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.name=console
appender.console.type=CONSOLE
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


def parts(stack: Stack) -> list[Part]:
    """JobManager and TaskManager; both read the configuration that is written just before they start."""
    home, uri = stack.folder("flink"), stack.settings.flink_uri
    common: dict[str, Any] = {"home": home, "env": _environment(stack, home), "prepare": lambda: _prepare(stack, home), "stop_seconds": 8}
    return [
        Part(
            name="flink-jobmanager",
            argv=(str(pyflink() / "bin" / "jobmanager.sh"), "start-foreground"),
            address=uri,
            health=health.http_json(f"{uri}/overview", lambda body: ""),
            needs=("bucket",),
            **common,
        ),
        Part(
            name="flink-taskmanager",
            argv=(str(pyflink() / "bin" / "taskmanager.sh"), "start-foreground"),
            address=f"127.0.0.1:{stack.settings.flink_rpc_port + 2}",
            health=health.http_json(f"{uri}/taskmanagers", _registered),
            needs=("flink-jobmanager",),
            **common,
        ),
    ]


def _registered(body: Any) -> str:
    return "" if any(one["slotsNumber"] for one in body["taskmanagers"]) else "not registered with the JobManager yet"


def pyflink() -> Path:
    """The installed Flink."""
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
    own = [*(ROOT / ".jars" / "flink").glob("*.jar"), *(ROOT / ".jars" / "flink-udf").glob("*.jar")]
    _link(stack.folder("flink", "lib"), [*(pyflink() / "lib").glob("*.jar"), *own])
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
    """The cluster's configuration; each job adds its own."""
    return _addresses(stack) | _sizes() | _recovery(stack) | _storage(stack) | _python(stack)


def _addresses(stack: Stack) -> Options:
    first, page = stack.settings.flink_rpc_port, stack.settings.flink_port
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "jobmanager.rpc.port": first,
        "blob.server.port": first + 1,
        "taskmanager.rpc.port": first + 2,
        "taskmanager.data.port": first + 3,
        "rest.port": page,
        "rest.bind-port": page,
        # By default every page that a browser shows may read the answers, and so submit a job.
        "web.access-control-allow-origin": f"http://{LOOPBACK}:{page}",
        "jobmanager.retrieve-taskmanager-hostname": False,
        # A submission by REST is answered when Python has planned the job.
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
        # The same id after a restart: the JobManager gives up on the dead process at once.
        "taskmanager.resource-id": "taskmanager-1",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "15 s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }


def _storage(stack: Stack) -> Options:
    access, secret = stack.settings.s3_credentials()
    bucket = stack.settings.s3_bucket
    return {
        "state.backend.type": "hashmap",
        "execution.checkpointing.dir": f"s3://{bucket}/flink/checkpoints",
        "execution.checkpointing.savepoint-dir": f"s3://{bucket}/flink/savepoints",
        "s3.endpoint": stack.settings.s3_endpoint,
        "s3.path.style.access": True,
        "s3.access-key": access,
        "s3.secret-key": secret,
        "io.tmp.dirs": str(stack.dir / "flink" / "tmp"),
    }


def _python(stack: Stack) -> Options:
    python = str(ROOT / ".venvs" / "flink" / "bin" / "python")
    shipped = yaml.safe_load((pyflink() / "conf" / "config.yaml").read_text())
    return {
        "python.client.executable": python,
        "python.executable": python,
        # A configuration of one's own must repeat what opens the JDK to Flink.
        "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],
        # It plans a job now and then.
        "env.java.opts.jobmanager": " ".join(LIGHT),
        "env.java.opts.taskmanager": " ".join(WORKING[stack.settings.jit]),
    }
