"""All settings of the project with their defaults for the local stack and their meaning.

The setting `kafka_bootstrap` is read from the environment variable `CLICKSTREAM_KAFKA_BOOTSTRAP`. No setting holds a secret:
the settings named `*_file` hold the path of a file with the secret.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from clickstream_contracts.time_zones import time_zone

PREFIX = "CLICKSTREAM_"


class SettingsError(ValueError):
    """A setting is unknown or its value cannot be used; the text names the setting, the value and the fix."""


def setting(
    default: str | int,
    help: str,
    choices: tuple[str, ...] = (),
    minimum: int | None = None,
    check: Callable[[str], object] | None = None,
) -> Any:
    """Returns a dataclass field whose metadata holds the help text, the allowed values, the minimum and a check.

    check: raises ValueError for a value that cannot be used.
    """
    return field(default=default, metadata={"help": help, "choices": choices, "minimum": minimum, "check": check})


@dataclass(frozen=True)
class Settings:
    """The settings of one process; the project reads the environment only through `from_env`."""

    runtime: str = setting("local", "Where Airflow starts the apps: as local processes or in Kubernetes.", ("local", "kubernetes"))
    stack_dir: str = setting(".stack", "Folder of the local stack: data, logs, credentials. Deleting it deletes all data.")
    data_dir: str = setting("../shared/data", "Folder of the evaluation data sets that some tests and benchmarks read.")

    kafka_bootstrap: str = setting("127.0.0.1:9092", "Bootstrap servers of Kafka.")
    kafka_security_protocol: str = setting("PLAINTEXT", "How clients connect to Kafka.", ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"))
    kafka_sasl_mechanism: str = setting(
        "SCRAM-SHA-512", "How clients log in to Kafka if the protocol is SASL_*.", ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    )
    kafka_username_file: str = setting(
        ".stack/secrets/kafka_username", "File that holds the user of Kafka; read if the protocol is SASL_*."
    )
    kafka_password_file: str = setting(
        ".stack/secrets/kafka_password", "File that holds the password of Kafka; read if the protocol is SASL_*."
    )
    kafka_replication_factor: int = setting(1, "Replicas of each topic when it is created; writes need all but one of them.", minimum=1)
    clicks_partitions: int = setting(4, "Partitions of the topic clicks.v1 when it is created.", minimum=1)
    nessie_uri: str = setting("http://127.0.0.1:19120", "Base address of Nessie, without /api/v2 or /iceberg.")
    nessie_token_file: str = setting("", "File that holds the bearer token of Nessie; empty: no token is sent.")
    warehouse: str = setting("wh", "Name of the warehouse in Nessie.")
    s3_endpoint: str = setting("http://127.0.0.1:8333", "S3 endpoint of the object store.")
    s3_region: str = setting("us-east-1", "Region of the object store.")
    s3_bucket: str = setting("lake", "Bucket of tables, checkpoints, receipts and models.")
    s3_credentials: str = setting(
        "files",
        "Where S3 keys come from. files: s3_access_key_file and s3_secret_key_file; environment: the AWS SDKs' provider chain"
        " (AWS_* variables, web identity token, instance metadata).",
        ("files", "environment"),
    )
    s3_access_key_file: str = setting(".stack/secrets/s3_access_key", "File that holds the S3 access key.")
    s3_secret_key_file: str = setting(".stack/secrets/s3_secret_key", "File that holds the S3 secret key.")

    ca_bundle: str = setting(
        "", "PEM file with the certificates of the CAs that clients of Kafka, Nessie, S3 and HTTP trust; empty: those of the system."
    )

    flink_uri: str = setting("http://127.0.0.1:8081", "Address of the REST API of the Flink JobManager.")
    flink_driver_jar: str = setting("", "The flink-python jar that Airflow uploads to start a stream; empty: the one of .venvs/flink.")
    flink_parallelism: int = setting(1, "Parallelism of each Flink job.", minimum=1)
    checkpoint_seconds: int = setting(
        10, "Seconds between checkpoints of clicks_to_lake; the fraud streams have three times the interval.", minimum=1
    )
    spark_master: str = setting("spark://127.0.0.1:7077", "Address of the Spark master of the local stack.")
    spark_remote: str = setting("sc://localhost:15002", "Address of the Spark Connect server that runs the batch apps of the local stack.")
    spark_token_file: str = setting(".stack/secrets/spark_token", "File that holds the token of the Spark Connect server.")
    spark_executor_memory: str = setting(
        "2g", "Memory of one Spark executor, which runs two tasks at a time in the local stack and one in Kubernetes."
    )
    spark_driver_memory: str = setting("1g", "Memory of one Spark driver.")
    spark_max_executors: int = setting(2, "Most executors of one Spark application in Kubernetes.", minimum=1)
    spark_executor_cores: int = setting(1, "Tasks that one Spark executor runs at a time in Kubernetes.", minimum=1)

    ray_uri: str = setting("http://127.0.0.1:8265", "Address of the Ray dashboard, whose REST API takes jobs and Serve applications.")
    ray_token_file: str = setting("", "File that holds the token of the Ray dashboard; empty: no token is sent.")
    serve_port: int = setting(8000, "Base port of Serve, the HTTP API of the recommendations; ports base..base+9 are used.", minimum=1)
    serve_uri: str = setting("http://127.0.0.1:8000", "Address of the HTTP API of the recommendations.")
    serve_token_file: str = setting(".stack/secrets/serve_token", "File that holds the token of the HTTP API of the recommendations.")
    serve_min_replicas: int = setting(1, "Least replicas of the recommender that Serve keeps.", minimum=1)
    serve_max_replicas: int = setting(2, "Most replicas of the recommender that Serve starts when requests wait.", minimum=1)
    serve_follow_seconds: int = setting(2, "Seconds between two reads of the rollout pointer by a serving replica.", minimum=1)
    rollout_watch_seconds: int = setting(10, "Seconds that a rollout compares both variants at each share of the users.", minimum=0)

    spark_image: str = setting("localhost/clickstream/spark-apps:0.1.0", "Image of the Spark drivers and executors in Kubernetes.")
    ray_image: str = setting("localhost/clickstream/ray-apps:0.1.0", "Image of the pods that submit Ray jobs in Kubernetes.")
    tools_image: str = setting("localhost/clickstream/tools:0.1.0", "Image of the tools that Airflow starts in Kubernetes.")

    spark_pool: str = setting(
        "default_pool", "Airflow pool of the Spark tasks. A task whose pool does not exist is never started, so create another one first."
    )
    airflow_retention_days: int = setting(30, "Days that Airflow's runs, task instances and logs are kept.", minimum=1)

    time_zone: str = setting(
        "UTC",
        "Time zone of the shop, like Europe/Berlin: its midnight ends the days of the curated tables and the marts, and the nightly run"
        " starts at its 04:00. To change it later, see docs/runbook.md.",
        check=time_zone,
    )
    event_max_bytes: int = setting(1_000_000, "A Kafka record with more bytes goes to quarantine as too_large.", minimum=1)
    event_earliest: str = setting("2000-01-01", "An event_time before this day goes to quarantine as time_out_of_range.")
    event_future_minutes: int = setting(1440, "An event_time later than its arrival by more minutes goes to quarantine.", minimum=0)

    backup_target: str = setting(".backup", "Where backups are written: a folder, or s3://BUCKET/PREFIX of another bucket than the lake's.")
    backup_endpoint: str = setting("", "S3 endpoint of the backups' bucket; empty: s3_endpoint.")
    backup_access_key_file: str = setting("", "File with the access key of the backups' bucket; empty: s3_access_key_file.")
    backup_secret_key_file: str = setting("", "File with the secret key of the backups' bucket; empty: s3_secret_key_file.")
    backup_objects: str = setting(
        "copy",
        "Whether a backup copies the lake's objects; skip: replication or versioning of the bucket protects them.",
        ("copy", "skip"),
    )
    backup_keep_daily: int = setting(7, "Of so many days the newest backup is kept.", minimum=1)
    backup_keep_weekly: int = setting(4, "Of so many weeks the newest backup is kept.", minimum=0)

    s3_server: str = setting(
        "seaweedfs", "S3 server that the local stack starts; external: none, s3_endpoint is used.", ("seaweedfs", "minio", "external")
    )
    python: str = setting("", "Python 3.11 or 3.12 for the environments; empty: the one that runs `make setup`.")
    jit: str = setting(
        "c1",
        "HotSpot compiler of Kafka, TaskManager, executors. c1: fast start, lower peak throughput; c2: slower warm-up, up to 2x as fast.",
        ("c1", "c2"),
    )
    airflow_port: int = setting(8080, "Port of the Airflow web page and REST API.", minimum=1)
    flink_port: int = setting(8081, "Port of the Flink web page and REST API.", minimum=1)
    flink_rpc_port: int = setting(6123, "Base port of Flink's internal traffic; ports base..base+3 are used.", minimum=1)
    spark_port: int = setting(7077, "Port of the Spark master.", minimum=1)
    spark_connect_port: int = setting(15002, "Port of the Spark Connect server.", minimum=1)
    spark_page_port: int = setting(8082, "Port of the web page of the Spark master; the workers use the next two ports.", minimum=1)
    ray_port: int = setting(6379, "Port of the Ray head.", minimum=1)
    ray_dashboard_port: int = setting(8265, "Port of the Ray dashboard and its REST API.", minimum=1)
    kafka_port: int = setting(9092, "Port of Kafka; its controller uses the next port.", minimum=1)
    nessie_port: int = setting(19120, "Port of Nessie; its health checks use the next port.", minimum=1)
    s3_port: int = setting(8333, "Base port of S3; SeaweedFS uses ports base..base+3 and, for gRPC, each of them + 10000.", minimum=1)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Returns the settings of CLICKSTREAM_* in `environ`, by default the environment of the process.

        Raises SettingsError for an unknown name or a value that cannot be used.
        """
        env = os.environ if environ is None else environ
        specs = {PREFIX + spec.name.upper(): spec for spec in fields(cls)}
        unknown = sorted(key for key in env if key.startswith(PREFIX) and key not in specs)
        if unknown:
            raise SettingsError(f"unknown setting {unknown[0]}: docs/settings.md lists all settings")
        values: dict[str, Any] = {spec.name: _parse(key, spec, env[key]) for key, spec in specs.items() if key in env}
        return cls(**values)

    def to_env(self) -> dict[str, str]:
        """Returns the environment variables from which another process reads the same settings."""
        return {PREFIX + spec.name.upper(): str(getattr(self, spec.name)) for spec in fields(self)}

    def changed(self) -> dict[str, str]:
        """Returns the variables of `to_env` whose values are not the defaults: enough for a process without other variables."""
        defaults = type(self)().to_env()
        return {key: value for key, value in self.to_env().items() if value != defaults[key]}

    def s3_keys(self) -> tuple[str, str] | None:
        """Returns the access key and the secret key from their files; None if the SDKs' provider chain supplies them.

        Raises SettingsError.
        """
        if self.s3_credentials == "environment":
            return None
        return read_secret(self.s3_access_key_file), read_secret(self.s3_secret_key_file)

    def iceberg_uri(self, ref: str = "main") -> str:
        """Returns the address of the Iceberg REST catalog at a branch, a tag or `branch@hash`."""
        return f"{self.nessie_uri}/iceberg/{ref}"

    def nessie_token(self) -> str:
        """Returns the bearer token of Nessie, '' without one. Raises SettingsError."""
        return read_secret(self.nessie_token_file) if self.nessie_token_file else ""

    def pyiceberg(self, ref: str = "main") -> dict[str, Any]:
        """Returns the properties of a PyIceberg REST catalog at a branch, a tag or `branch@hash`."""
        keys, token = self.s3_keys(), self.nessie_token()
        return {
            "uri": self.iceberg_uri(ref),
            "warehouse": self.warehouse,
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            "s3.endpoint": self.s3_endpoint,
            "s3.region": self.s3_region,
            **({"s3.access-key-id": keys[0], "s3.secret-access-key": keys[1]} if keys else {}),
            **({"token": token} if token else {}),
            **({"ssl": {"cabundle": self.ca_bundle}} if self.ca_bundle else {}),
        }


def _parse(key: str, spec: Any, text: str) -> str | int:
    choices, minimum = spec.metadata["choices"], spec.metadata["minimum"]
    if choices and text not in choices:
        raise SettingsError(f"{key}={text!r}: use one of {', '.join(choices)}")
    if spec.type is not int and spec.type != "int":
        return _checked(key, text, spec.metadata["check"])
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(f"{key}={text!r}: use a whole number") from None
    if minimum is not None and number < minimum:
        raise SettingsError(f"{key}={text!r}: use at least {minimum}")
    return number


def _checked(key: str, text: str, check: Callable[[str], object] | None) -> str:
    try:
        if check:
            check(text)
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from None
    return text


def read_env_file(path: Path) -> dict[str, str]:
    """Returns the settings of a file of `KEY=value` lines; blank lines and # comments are skipped. Raises SettingsError."""
    env = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise SettingsError(f"{path}:{number}: {line!r} is not KEY=value: write one setting per line")
        env[key.strip()] = value.strip()
    unknown = [key for key in env if not key.startswith(PREFIX)]
    if unknown:
        raise SettingsError(f"{path}: unknown setting {unknown[0]}: the name of each setting starts with {PREFIX}")
    Settings.from_env(env)
    return env


def environment(**variables: str) -> dict[str, str]:
    """Returns the environment of this process with further variables, for a process that it starts."""
    return {**os.environ, **variables}


def read_secret(path: str) -> str:
    """Returns the secret in a file without surrounding whitespace. Raises SettingsError if the file is missing or empty."""
    try:
        secret = Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"cannot read the secret file {path}: {error.strerror}: mount its Secret, or start the local stack, which generates it"
        ) from None
    if not secret:
        raise SettingsError(f"the secret file {path} is empty: write the secret into it")
    return secret
