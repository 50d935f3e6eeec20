"""Creates what the apps need and do not create themselves: the bucket, the tables and the topics. May be repeated."""

import typer

from tools.common.command import current_settings, new_app, report_errors, run_app
from tools.kafka import topics
from tools.kafka.client import SendError
from tools.lake import catalog

app = new_app(__doc__)


@app.command()
@report_errors(SendError)
def bootstrap() -> None:
    """Create the bucket, the tables and the topics that do not exist yet."""
    settings = current_settings()
    catalog.ensure(settings)
    typer.echo(f"bucket {settings.s3_bucket}: all tables exist")
    for line in topics.ensure(settings):
        typer.echo(f"warning: {line}", err=True)
    typer.echo(f"Kafka at {settings.kafka_bootstrap}: all topics exist")


if __name__ == "__main__":
    run_app(app)
