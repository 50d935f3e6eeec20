"""Makes what the apps need and do not make themselves: the bucket, the tables, the topics. Safe to repeat."""

import typer
from confluent_kafka import KafkaException

from tools import entry, lake, topics
from tools.cli import failing_in_one_line, here

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)


@app.command()
@failing_in_one_line(KafkaException)
def prepare() -> None:
    """Make the bucket, the tables and the topics that are not there yet."""
    settings = here()
    lake.ensure(settings)
    typer.echo(f"the bucket {settings.s3_bucket} and all tables are there")
    topics.ensure(settings)
    typer.echo("all topics are there")


if __name__ == "__main__":
    entry.run(app)
