"""Fills the {{...}} of SQL files, and the two pieces of SQL that several streams have."""

from collections.abc import Mapping
from pathlib import Path

from clickstream_contracts import schema

SQL = Path(__file__).parent / "sql"


def filled(path: Path, parts: Mapping[str, str]) -> str:
    """A file's text with its {{...}} filled, in the order of `parts`: one part may bring placeholders of later ones."""
    text = path.read_text()
    for key, value in parts.items():
        text = text.replace("{{" + key + "}}", value)
    return text


def options(of: Mapping[str, str]) -> str:
    """The options of a table's door, one a line."""
    return ",\n".join(f"  '{key}' = '{value}'" for key, value in of.items())


def kafka_records(table: str, topic: str, group: str, startup: str) -> str:
    """The statement for a topic's records as bytes with their places; `startup` is the placeholder of where to begin."""
    return filled(SQL / "kafka_records.sql", {"table": table, "topic": topic, "group": group, "startup": startup}).rstrip("\n")


def lake_table(name: str) -> str:
    """A table of the contract as Flink SQL calls it."""
    contract = schema.tables()[name]
    return f"lake.`{contract.namespace}`.`{contract.table}`"
