"""Smoke test of the lake and Kafka: exit 0 if every table can be read and the topic returns its end offsets."""

import typer
from confluent_kafka import KafkaException

from clickstream_contracts import names, schema
from tools.common.command import current_settings, report_errors, run_app
from tools.kafka.producer import SendError
from tools.kafka.reader import end_offsets
from tools.lake import catalog

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)


@app.command()
@report_errors(SendError, KafkaException)
def smoke_test() -> None:
    """Count the rows of every table on main and the records of the topic."""
    settings = current_settings()
    main = catalog.connect(settings)
    for table in sorted(schema.tables()):
        typer.echo(f"{table}: {main.load_table(table).scan().count():,} rows")
    typer.echo(f"{names.CLICKS_TOPIC}: {sum(end_offsets(settings).values()):,} records")


if __name__ == "__main__":
    run_app(app)
