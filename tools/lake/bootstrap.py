"""Makes what the apps need and do not make themselves: the bucket, the tables, the topics. Safe to repeat."""

import typer
from confluent_kafka import KafkaException

from tools.common.command import current_settings, errors_in_one_line, run_app
from tools.kafka import topics
from tools.lake import catalog as lake

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)


@app.command()
@errors_in_one_line(KafkaException)
def prepare() -> None:
    """Make the bucket, the tables and the topics that are not there yet."""
    settings = current_settings()
    lake.ensure(settings)
    typer.echo(f"the bucket {settings.s3_bucket} and all tables are there")
    topics.ensure(settings)
    typer.echo("all topics are there")


if __name__ == "__main__":
    run_app(app)
