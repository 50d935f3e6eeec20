"""The Flink session of a stream: its configuration, its TableEnvironment, and its statements as one job."""

import re
from collections.abc import Mapping
from typing import Any

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, StatementSet, TableEnvironment

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from clickstream_contracts.sql_templates import render_text
from flink_apps.common.sql import split_statements

VIEW = re.compile(r"CREATE\s+TEMPORARY\s+VIEW\s+(?P<name>\w+)\s+AS\s(?P<query>.*)", re.S)


def job_options(settings: Settings, stream: str, definition: str, checkpoint_factor: int = 1) -> dict[str, str]:
    """Returns the configuration of a stream's job; it wins over the cluster's. `checkpoint_factor`: see Stream."""
    return {
        "pipeline.name": names.flink_job_name(stream, definition),
        "pipeline.object-reuse": "true",
        "parallelism.default": str(settings.flink_parallelism),
        "table.local-time-zone": "UTC",
        # All INSERTs share the plan of the views they have in common; otherwise each INSERT validates every record again.
        "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
        # Iceberg's default shuffles rows by day before writing; rows that arrive together are of one day, in one open file.
        "distribution-mode": "none",
        "execution.checkpointing.interval": f"{checkpoint_factor * settings.checkpoint_seconds}s",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": f"s3://{settings.s3_bucket}/{names.checkpoint_prefix(stream)}",
        "execution.checkpointing.savepoint-dir": f"s3://{settings.s3_bucket}/{names.savepoint_prefix(stream)}",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        # No limit on restart attempts: the job recovers after an outage of any length. The health task reports the restarts.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1s",
        "restart-strategy.exponential-delay.max-backoff": "15s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "2min",
    }


def table_environment(options: Mapping[str, str]) -> TableEnvironment:
    """Create a streaming TableEnvironment with these options."""
    configuration = Configuration()
    for key, value in options.items():
        configuration.set_string(key, value)
    return TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build())


def statement_set(tables: TableEnvironment, text: str, values: Mapping[str, Any]) -> StatementSet:
    """Execute the definitions in `text` and collect its INSERTs in one StatementSet, which is not yet started.

    `text` is a rendered pipeline.sql; `values` fills the Jinja expressions left in it (see connectors.py). Raises TemplateError.
    """
    job = tables.create_statement_set()
    for statement in split_statements(render_text(text, values)):
        view = VIEW.match(statement)
        if statement.startswith("INSERT"):
            job.add_insert_sql(statement)
        elif view:
            # A view created by SQL is expanded separately for each INSERT, and the planner does not share its plan.
            tables.create_temporary_view(view["name"], tables.sql_query(view["query"]))
        else:
            tables.execute_sql(statement)
    return job
