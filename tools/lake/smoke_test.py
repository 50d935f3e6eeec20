"""Smoke test of the lake and Kafka: reads every table of main and the end offsets of every topic. Exit code 0 if all can be read."""

import typer
from confluent_kafka import KafkaException

from clickstream_contracts import names, schema
from tools.common.command import current_settings, new_app, report_errors, run_app
from tools.kafka.client import SendError
from tools.kafka.reader import end_offsets
from tools.lake import catalog

app = new_app("Read every table and topic, and print their row counts.")


@app.command()
@report_errors(SendError, KafkaException)
def smoke_test() -> None:
    """Print the rows of every table on main and the records of every topic."""
    settings = current_settings()
    main = catalog.open_catalog(settings)
    for table in sorted(schema.tables()):
        typer.echo(f"{table}: {main.load_table(table).scan().count():,} rows")
    for topic in names.TOPICS:
        typer.echo(f"{topic}: {sum(end_offsets(settings, topic).values()):,} records")


if __name__ == "__main__":
    run_app(app)
