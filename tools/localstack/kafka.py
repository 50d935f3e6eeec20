"""Kafka: one KRaft node, broker and controller in one process."""

import base64
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tools.localstack import code
from tools.localstack.java import C1_OPTIONS, DATA_PATH_OPTIONS, java, temporary_files
from tools.localstack.layout import ROOT, Stack, write_private
from tools.localstack.units import Component, Health

LOGGING = """status=WARN
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
"""


def components(stack: Stack) -> list[Component]:
    """Returns the Kafka node; its data folder is formatted before the first start."""
    home = stack.folder("kafka")
    return [
        Component(
            name="kafka",
            argv=_command(stack, home, DATA_PATH_OPTIONS[stack.settings.jit], "kafka.Kafka", str(home / "server.properties")),
            home=home,
            address=stack.settings.kafka_bootstrap,
            health=health(stack.settings.kafka_bootstrap),
            prepare=lambda: _prepare(stack, home),
            stop_seconds=20,
            code=(code.jars(),),
        )
    ]


def _command(stack: Stack, home: Path, options: tuple[str, ...], *main: str) -> tuple[str, ...]:
    logging = f"-Dlog4j2.configurationFile=file:{home / 'log4j2.properties'}"
    return (java(), "-Xmx256m", *options, *temporary_files(stack.tmp), logging, "-cp", str(ROOT / ".jars" / "kafka" / "*"), *main)


def _prepare(stack: Stack, home: Path) -> None:
    write_private(home / "log4j2.properties", LOGGING)
    write_private(home / "server.properties", "".join(f"{key}={value}\n" for key, value in _config(stack, home).items()))
    if (home / "data" / "meta.properties").exists():
        return
    arguments = ("format", "-t", _cluster_id(), "-c", str(home / "server.properties"))
    tool = _command(stack, home, C1_OPTIONS, "kafka.tools.StorageTool", *arguments)
    result = subprocess.run(tool, capture_output=True, text=True, check=False)
    if result.returncode:
        last_line = (result.stderr or result.stdout).strip().splitlines()[-1]
        raise RuntimeError(f"cannot format Kafka's data folder {home / 'data'}: {last_line}")


def _config(stack: Stack, home: Path) -> dict[str, str | int]:
    port = stack.settings.kafka_port
    single = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr")
    share = ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr")
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{port + 1}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(home / "data"),
        # A misspelt topic must be an error, not a new topic.
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        **dict.fromkeys(single + share, 1),
    }


def _cluster_id() -> str:
    """Returns a random id. It has no leading dash, which StorageTool would read as an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()
        if not cluster_id.startswith("-"):
            return cluster_id


def health(bootstrap: str) -> Health:
    """Returns a probe that lists the broker's topics."""

    def probe(since: float) -> str:
        # With a log level, librdkafka prints each refused connection.
        client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 5000})
        try:
            return "" if client.list_topics(timeout=5).brokers else "no broker registered"
        except KafkaException as error:
            return str(error.args[0].str())

    return probe
