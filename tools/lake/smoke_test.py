"""Asks the lake and Kafka what a user would ask: exit 0 if each table is read and the topic tells how far it goes."""

import typer
from confluent_kafka import KafkaException

from clickstream_contracts import names, schema
from tools.common.command import current_settings, errors_in_one_line, run_app
from tools.kafka.producer import SendError
from tools.kafka.reader import end_offsets
from tools.lake import catalog as lake

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)


@app.command()
@errors_in_one_line(SendError, KafkaException)
def answers() -> None:
    """Read every table of main and the topic's ends, and print what was found."""
    settings = current_settings()
    catalog = lake.catalog(settings)
    for table in sorted(schema.tables()):
        rows = catalog.load_table(table).scan().count()
        typer.echo(f"{table}: {rows:,} rows")
    typer.echo(f"{names.CLICKS_TOPIC}: {sum(end_offsets(settings).values()):,} records")


if __name__ == "__main__":
    run_app(app)
