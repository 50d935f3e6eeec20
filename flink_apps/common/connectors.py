"""Connector options of the streams' tables: Kafka topics and files of JSON lines.

SQL is rendered twice. The first rendering (`Stream.render`) leaves what is known only at submission as Jinja expressions:
the address of Kafka as `{{ kafka_bootstrap }}`, the start position of a source as `{{ startup.TABLE }}`. That text is what is
printed, hashed and saved, so it holds no address and a saved definition can start anywhere. `session.statement_set`
renders it a second time with the values.
"""

from collections.abc import Mapping
from pathlib import Path

# Options of one table, as in its WITH clause.
Options = dict[str, str]

KAFKA_BOOTSTRAP = "{{ kafka_bootstrap }}"
EARLIEST: Options = {"scan.startup.mode": "earliest-offset"}


def startup(table: str) -> str:
    """Returns the expression that stands for the start position of a Kafka table until the job is submitted."""
    return "{{ startup." + table + " }}"


def one_line(options: Mapping[str, str]) -> str:
    """Returns options as they stand in a WITH clause."""
    return ", ".join(f"'{key}' = '{value}'" for key, value in options.items())


def from_timestamp(milliseconds: int) -> Options:
    """Returns the start position of the first record that arrived at this time or later, in milliseconds since 1970."""
    return {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": str(milliseconds)}


def from_offsets(offsets: Mapping[int, int]) -> Options:
    """Returns the start position with a given offset of each partition."""
    positions = ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))
    return {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": positions}


def kafka_source(topic: str, group: str) -> Options:
    """Returns the options of a topic to read, without its format and its start position."""
    return {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": KAFKA_BOOTSTRAP,
        "properties.group.id": group,
    }


def kafka_json_sink(topic: str, key: str) -> Options:
    """Returns the options of a topic to write as JSON; the column `key` is the record's key."""
    return {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": KAFKA_BOOTSTRAP,
        "properties.compression.type": "lz4",
        "key.format": "raw",
        "key.fields": key,
        "value.format": "json",
    }


def json_files(path: Path) -> Options:
    """Returns the options of a file, or of a folder of files, of JSON lines."""
    return {"connector": "filesystem", "path": f"file://{path}", "format": "json"}
