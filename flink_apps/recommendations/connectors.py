"""Sources and sink of recommendations: Kafka topics, or a file that holds views and neighbours in one order."""

from dataclasses import dataclass
from pathlib import Path

from clickstream_contracts import names
from flink_apps.common import connectors
from flink_apps.common.connectors import Options


@dataclass(frozen=True)
class Connectors:
    """The template that defines `inputs`, the options of its tables by name, and those of the sink.

    startup: start position of the clicks, '' where the connector has none.
    """

    source_template: str
    sources: dict[str, Options]
    startup: str
    recommendations: Options


def kafka() -> Connectors:
    """Returns the Kafka topics. The sink has one writer, which keeps the lists of a user in order."""
    group = names.RECOMMENDATIONS_JOB
    neighbours = {
        **connectors.EARLIEST,
        "key.format": "raw",
        "key.fields": "product_id",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
    }
    return Connectors(
        source_template="source_kafka.sql",
        sources={
            "clicks": connectors.kafka_source(names.CLICKS_TOPIC, group) | {"format": "json", "json.ignore-parse-errors": "true"},
            "neighbours": connectors.kafka_source(names.ITEM_NEIGHBOURS_TOPIC, group) | neighbours,
        },
        startup=connectors.startup("clicks"),
        recommendations=connectors.kafka_json_sink(names.RECOMMENDATIONS_TOPIC, "user_id") | {"sink.parallelism": "1"},
    )


def files(events: Path, folder: Path) -> Connectors:
    """Returns a file of JSON lines, views and neighbours in the order of processing, and a folder for the lists as JSON lines."""
    return Connectors(
        source_template="source_file.sql",
        sources={"inputs": connectors.json_files(events)},
        startup="",
        recommendations=connectors.json_files(folder),
    )
