"""Every setting of the project: its name, its default for a laptop, and what it means.

A setting `kafka_bootstrap` is read from the environment variable `CLICKSTREAM_KAFKA_BOOTSTRAP`. Secrets are never
values here: `*_file` settings name a file that holds one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

PREFIX = "CLICKSTREAM_"


class SettingsError(ValueError):
    """A setting is unknown or its value cannot be used; the text names the setting, the value and the cure."""


def setting(default: str | int, help: str, choices: tuple[str, ...] = (), minimum: int | None = None) -> Any:
    """A dataclass field that carries its own meaning."""
    return field(default=default, metadata={"help": help, "choices": choices, "minimum": minimum})


@dataclass(frozen=True)
class Settings:
    """The settings of one process; `from_env` is the only way the project reads the environment."""

    runtime: str = setting("local", "Where Airflow runs the apps.", ("local", "kubernetes"))
    stack_dir: str = setting(".stack", "Folder of the local stack: state, logs, credentials. Deleting it forgets everything.")
    data_dir: str = setting("../shared/data", "Folder of the evaluation data sets that some tests and benchmarks read.")

    kafka_bootstrap: str = setting("127.0.0.1:9092", "Kafka's bootstrap servers.")
    clicks_partitions: int = setting(4, "Partitions of the topic clicks.v1 when it is created.", minimum=1)
    nessie_uri: str = setting("http://127.0.0.1:19120", "Nessie's base address; REST v2 and the Iceberg catalog are below it.")
    warehouse: str = setting("wh", "Nessie's warehouse.")
    s3_endpoint: str = setting("http://127.0.0.1:8333", "The object store's S3 endpoint.")
    s3_region: str = setting("us-east-1", "The object store's region.")
    s3_bucket: str = setting("lake", "Bucket of tables, checkpoints and receipts.")
    s3_access_key_file: str = setting(".stack/secrets/s3_access_key", "File that holds the S3 access key.")
    s3_secret_key_file: str = setting(".stack/secrets/s3_secret_key", "File that holds the S3 secret key.")

    flink_uri: str = setting("http://127.0.0.1:8081", "Address of the Flink JobManager's REST interface.")
    flink_driver_jar: str = setting("", "The flink-python jar that Airflow uploads to start a stream; empty takes the one of .venvs/flink.")
    flink_parallelism: int = setting(1, "Parallelism of each Flink job.", minimum=1)
    checkpoint_seconds: int = setting(
        10, "Seconds between checkpoints of the lake job; those of the fraud streams take three times as long.", minimum=1
    )
    spark_master: str = setting("spark://127.0.0.1:7077", "Spark master whose workers serve the local stack's Connect server.")
    spark_remote: str = setting("sc://localhost:15002", "Spark Connect server that runs the batch apps of the local stack.")
    spark_token_file: str = setting(".stack/secrets/spark_token", "File with the token that the Spark Connect server asks for.")
    spark_executor_memory: str = setting("2g", "Memory of one Spark executor: two tasks at a time on a laptop, one in a cluster.")
    spark_driver_memory: str = setting("1g", "Memory of one Spark driver.")

    ray_uri: str = setting("http://127.0.0.1:8265", "Address of the Ray head's dashboard, which takes jobs and applications.")
    ray_token_file: str = setting("", "File with the token that Ray asks for; empty sends none.")
    serve_port: int = setting(8000, "Port of the recommendations' HTTP interface; what stands behind it takes the next nine.", minimum=1)
    serve_uri: str = setting("http://127.0.0.1:8000", "Address of the recommendations' HTTP interface.")
    serve_token_file: str = setting(".stack/secrets/serve_token", "File that holds the token of the recommendations' HTTP interface.")
    serve_follow_seconds: int = setting(2, "Seconds between two reads of the rollout pointer by a serving replica.", minimum=1)
    rollout_watch_seconds: int = setting(10, "Seconds that a rollout compares both variants at each share of the users.", minimum=0)

    spark_image: str = setting("docker.io/clickstream/spark-apps:0.1.0", "Image of Spark's drivers and executors in Kubernetes.")
    tools_image: str = setting("docker.io/clickstream/tools:0.1.0", "Image of the tools that Airflow starts in Kubernetes.")

    event_max_bytes: int = setting(1_000_000, "A larger Kafka record goes to quarantine as too_large.", minimum=1)
    event_earliest: str = setting("2000-01-01", "An event_time before this day goes to quarantine as time_out_of_range.")
    event_future_minutes: int = setting(1440, "An event_time this far beyond its arrival goes to quarantine.", minimum=0)

    s3_server: str = setting(
        "seaweedfs", "What the local stack starts as S3; external uses s3_endpoint as it is.", ("seaweedfs", "minio", "external")
    )
    python: str = setting("", "Python 3.11 or 3.12 for the environments; empty takes the one that runs the set-up.")
    jit: str = setting(
        "c1",
        "HotSpot compiler of Kafka, TaskManager and Spark executors: c1 is warm at once; c2 costs minutes, then does up to twice as much.",
        ("c1", "c2"),
    )
    airflow_port: int = setting(8080, "Port of the Airflow page.", minimum=1)
    flink_port: int = setting(8081, "Port of the Flink page.", minimum=1)
    flink_rpc_port: int = setting(6123, "First of four ports of Flink's own traffic.", minimum=1)
    spark_port: int = setting(7077, "Port of the Spark master.", minimum=1)
    spark_connect_port: int = setting(15002, "Port of the Spark Connect server.", minimum=1)
    spark_page_port: int = setting(8082, "Port of the Spark master's page; the workers' pages take the next two.", minimum=1)
    ray_port: int = setting(6379, "Port of the Ray head.", minimum=1)
    ray_dashboard_port: int = setting(8265, "Port of the Ray page and of its Job REST.", minimum=1)
    kafka_port: int = setting(9092, "Port of Kafka; its controller takes the next one.", minimum=1)
    nessie_port: int = setting(19120, "Port of Nessie; its health takes the next one.", minimum=1)
    s3_port: int = setting(8333, "Port of S3; SeaweedFS takes the next three and, for each, the port 10000 above.", minimum=1)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read CLICKSTREAM_* from `environ` (default: the process's). Raises SettingsError on a bad or unknown one."""
        env = os.environ if environ is None else environ
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        unknown = sorted(key for key in env if key.startswith(PREFIX) and key not in known)
        if unknown:
            raise SettingsError(f"unknown setting {unknown[0]}: docs/settings.md lists the known ones")
        given: dict[str, Any] = {f.name: _parse(key, f, env[key]) for key, f in known.items() if key in env}
        return cls(**given)

    def to_env(self) -> dict[str, str]:
        """The environment that makes another process read these same settings."""
        return {PREFIX + f.name.upper(): str(getattr(self, f.name)) for f in fields(self)}

    def changed(self) -> dict[str, str]:
        """The part of `to_env` that differs from the defaults: enough for a process that starts with an empty environment."""
        plain = type(self)().to_env()
        return {key: value for key, value in self.to_env().items() if value != plain[key]}

    def s3_credentials(self) -> tuple[str, str]:
        """Access key and secret key, read from their files."""
        return read_secret(self.s3_access_key_file), read_secret(self.s3_secret_key_file)

    def iceberg_uri(self, ref: str = "main") -> str:
        """Address of the Iceberg REST catalog at a branch, a tag or `branch@hash`."""
        return f"{self.nessie_uri}/iceberg/{ref}"

    def pyiceberg(self, ref: str = "main") -> dict[str, str]:
        """The properties of PyIceberg's REST catalog at a ref."""
        access_key, secret_key = self.s3_credentials()
        return {
            "uri": self.iceberg_uri(ref),
            "warehouse": self.warehouse,
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            "s3.endpoint": self.s3_endpoint,
            "s3.region": self.s3_region,
            "s3.access-key-id": access_key,
            "s3.secret-access-key": secret_key,
        }


def _parse(key: str, spec: Any, text: str) -> str | int:
    choices, minimum = spec.metadata["choices"], spec.metadata["minimum"]
    if choices and text not in choices:
        raise SettingsError(f"{key}={text!r}: use one of {', '.join(choices)}")
    if spec.type is not int and spec.type != "int":
        return text
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(f"{key}={text!r}: use a whole number") from None
    if minimum is not None and number < minimum:
        raise SettingsError(f"{key}={text!r}: use at least {minimum}")
    return number


def read_env_file(path: Path) -> dict[str, str]:
    """Read `KEY=value` lines; blank lines and # comments are skipped. Unknown keys are SettingsErrors."""
    env = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise SettingsError(f"{path}:{number}: {line!r} is not KEY=value")
        env[key.strip()] = value.strip()
    foreign = [key for key in env if not key.startswith(PREFIX)]
    if foreign:
        raise SettingsError(f"{path}: unknown setting {foreign[0]}: every key starts with {PREFIX}")
    Settings.from_env(env)
    return env


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that this one starts: its own, and more."""
    return {**os.environ, **more}


def read_secret(path: str) -> str:
    """The secret in a file, without the trailing newline. Raises SettingsError when the file is missing or empty."""
    try:
        secret = Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"cannot read the secret file {path}: {error.strerror}; `make up` generates it") from None
    if not secret:
        raise SettingsError(f"the secret file {path} is empty; delete it and run `make up` again")
    return secret
