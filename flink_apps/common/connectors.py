"""Connector options of the streams' tables: Kafka topics and files of JSON lines.

SQL is rendered twice. The first rendering (`Stream.render`) leaves what is known only at submission as Jinja expressions:
address, encryption and login of Kafka as `{{ kafka_connection }}` (macros.sql), the start position of a source as
`{{ startup.TABLE }}`. That text is what is printed, hashed and saved, so it holds no address and a saved definition can start
anywhere. `session.statement_set` renders it a second time with the values.
"""

from collections.abc import Mapping
from pathlib import Path

from clickstream_contracts import kafka_clients
from clickstream_contracts.settings import Settings

# Options of one table, as in its WITH clause.
Options = dict[str, str]

# What stands for the connection to Kafka until the job is submitted; the older expression is in statements of earlier versions.
KAFKA_CONNECTION, KAFKA_BOOTSTRAP = "{{ kafka_connection }}", "{{ kafka_bootstrap }}"
# The SQL connector has the classes of the Kafka client under a package of its own.
KAFKA_PACKAGE = "org.apache.flink.kafka.shaded.org.apache.kafka"
EARLIEST: Options = {"scan.startup.mode": "earliest-offset"}


def startup(table: str) -> str:
    """Returns the expression that stands for the start position of a Kafka table until the job is submitted."""
    return "{{ startup." + table + " }}"


def one_line(options: Mapping[str, str]) -> str:
    """Returns options as they stand in a WITH clause."""
    return ", ".join(f"'{key}' = '{value}'" for key, value in options.items())


def kafka_connection(settings: Settings) -> Options:
    """Returns the options by which every Kafka table connects. They name the files of user and password, not their content."""
    return {f"properties.{key}": value for key, value in kafka_clients.java(settings, KAFKA_PACKAGE).items()}


def from_timestamp(milliseconds: int) -> Options:
    """Returns the start position of the first record that arrived at this time or later, in milliseconds since 1970."""
    return {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": str(milliseconds)}


def from_offsets(offsets: Mapping[int, int]) -> Options:
    """Returns the start position with a given offset of each partition."""
    positions = ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))
    return {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": positions}


def kafka_source(topic: str, group: str) -> Options:
    """Returns the options of a topic to read, without its connection, format and start position.

    Records of aborted and of open transactions are not read.
    """
    return {
        "connector": "kafka",
        "topic": topic,
        "properties.group.id": group,
        "properties.isolation.level": "read_committed",
    }


def kafka_json_sink(topic: str, key: str) -> Options:
    """Returns the options of a topic to write as JSON; the column `key` is the record's key."""
    return {
        "connector": "kafka",
        "topic": topic,
        "properties.compression.type": "lz4",
        "key.format": "raw",
        "key.fields": key,
        "value.format": "json",
    }


def json_files(path: Path) -> Options:
    """Returns the options of a file, or of a folder of files, of JSON lines."""
    return {"connector": "filesystem", "path": f"file://{path}", "format": "json"}
