"""What every Flink app of the project does alike: open the lake, run statements as one job, keep the definition."""

import re
from pathlib import Path
from string import Template
from typing import Any

from pyflink.common import Configuration
from pyflink.java_gateway import get_gateway
from pyflink.table import EnvironmentSettings, TableEnvironment

from clickstream_contracts import names
from clickstream_contracts.settings import Settings

SQL = Path(__file__).parent / "sql"
VIEW = re.compile(r"CREATE\s+TEMPORARY\s+VIEW\s+(?P<name>\w+)\s+AS\s(?P<query>.*)", re.S)


def job_options(settings: Settings, app: str, definition: str, pace: int = 1) -> dict[str, str]:
    """The job's own configuration; where the cluster's differs, this wins. `pace`: see App."""
    return {
        "pipeline.name": names.flink_job_name(app, definition),
        "pipeline.object-reuse": "true",
        "parallelism.default": str(settings.flink_parallelism),
        "table.local-time-zone": "UTC",
        # one shared plan up to the verdict: without it, each INSERT would judge every record again
        "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
        # Iceberg would shuffle rows by day before writing; the writer keeps a file open for each day anyway
        "distribution-mode": "none",
        "execution.checkpointing.interval": f"{pace * settings.checkpoint_seconds}s",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": f"s3://{settings.s3_bucket}/{names.checkpoint_prefix(app)}",
        "execution.checkpointing.savepoint-dir": f"s3://{settings.s3_bucket}/{names.savepoint_prefix(app)}",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        # no last attempt: an outage of any length ends in recovery, and the health task tells about it meanwhile
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1s",
        "restart-strategy.exponential-delay.max-backoff": "15s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "2min",
    }


def table_environment(options: dict[str, str]) -> TableEnvironment:
    """A streaming table environment with these options."""
    configuration = Configuration()
    for key, value in options.items():
        configuration.set_string(key, value)
    return TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build())


def open_lake(tables: TableEnvironment, settings: Settings) -> None:
    """Register the catalog `lake`: the Iceberg tables on Nessie's main branch."""
    access_key, secret_key = settings.s3_credentials()
    values = {"iceberg_uri": settings.iceberg_uri(), "s3_access_key": access_key, "s3_secret_key": secret_key}
    template = Template((SQL / "lake_catalog.sql").read_text())
    tables.execute_sql(_statements(template.substitute(vars(settings) | values))[0])


def one_job(tables: TableEnvironment, text: str, settings: Settings, startup: dict[str, str] | None = None) -> Any:
    """Run the definitions in `text` and gather its INSERTs as one StatementSet, not yet started; `startup` is App.startup's."""
    job = tables.create_statement_set()
    for statement in _statements(Template(text).safe_substitute(vars(settings) | (startup or {}))):
        if statement.startswith("INSERT"):
            job.add_insert_sql(statement)
        elif view := VIEW.match(statement):
            # SQL would expand the view anew for each INSERT, and the planner could not see that both are the same
            tables.create_temporary_view(view["name"], tables.sql_query(view["query"]))
        else:
            tables.execute_sql(statement)
    return job


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).rstrip(" ;\n").split(";\n") if statement.strip()]


def write_text(uri: str, text: str) -> None:
    """Write a small file with the cluster's own file systems."""
    jvm = get_gateway().jvm
    path = jvm.org.apache.flink.core.fs.Path(uri)
    overwrite = jvm.org.apache.flink.core.fs.FileSystem.WriteMode.OVERWRITE
    stream = path.getFileSystem().create(path, overwrite)
    try:
        stream.write(text.encode())
    finally:
        stream.close()


def read_text(uri: str) -> str:
    """Read a small file with the cluster's own file systems."""
    jvm = get_gateway().jvm
    path = jvm.org.apache.flink.core.fs.Path(uri)
    stream = path.getFileSystem().open(path)
    try:
        return bytes(stream.readAllBytes()).decode()
    finally:
        stream.close()
