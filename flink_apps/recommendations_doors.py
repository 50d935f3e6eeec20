"""Where views and neighbours come from and where the lists go: Kafka, or a file that holds both in order."""

from pathlib import Path

from clickstream_contracts import names
from flink_apps.template import SQL, filled, options

# By placeholder of recommendations.sql, the text that fills it.
Doors = dict[str, str]


def kafka() -> Doors:
    """The topics. One writer alone keeps the order of a user's lists."""
    topics = {"clicks": names.CLICKS_TOPIC, "neighbours": names.ITEM_NEIGHBOURS_TOPIC, "group": names.RECOMMENDATIONS_JOB}
    lists = {
        "connector": "kafka",
        "topic": names.RECOMMENDATIONS_TOPIC,
        "properties.bootstrap.servers": "${kafka_bootstrap}",
        "properties.compression.type": "lz4",
        "key.format": "raw",
        "key.fields": "user_id",
        "value.format": "json",
        "sink.parallelism": "1",
    }
    return {"door_inputs": filled(SQL / "recommendations_kafka.sql", topics).rstrip("\n"), "door_recommendations": options(lists)}


def files(events: Path, folder: Path) -> Doors:
    """A file of JSON lines, views and neighbours in the order in which they are heard; the lists as JSON lines in a folder."""
    lists = {"connector": "filesystem", "path": f"file://{folder}", "format": "json"}
    inputs = filled(SQL / "recommendations_file.sql", {"events": str(events)}).rstrip("\n")
    return {"door_inputs": inputs, "door_recommendations": options(lists)}
