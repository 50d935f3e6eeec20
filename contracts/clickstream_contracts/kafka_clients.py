"""Properties of the Kafka clients, each listed once: librdkafka for the Python programs, the Java client for Flink.

The Java properties hold no password: Flink stores them with the job. They name the files instead, which the client reads itself.
"""

from pathlib import Path
from typing import Any

from clickstream_contracts.settings import Settings, SettingsError, read_secret

LOGIN_MODULES = {
    "PLAIN": "security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "security.scram.ScramLoginModule",
}


def librdkafka(settings: Settings) -> dict[str, str | int | bool]:
    """Returns the properties of a confluent-kafka client: address, encryption and login. Raises SettingsError for a missing file.

    The caller adds what its client does. `log_level` 0: librdkafka prints each refused connection, and the callers report errors.
    """
    properties: dict[str, str | int | bool] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": settings.kafka_security_protocol,
        "log_level": 0,
    }
    if uses_tls(settings) and settings.ca_bundle:
        properties["ssl.ca.location"] = checked_ca_bundle(settings)
    if uses_login(settings):
        properties["sasl.mechanism"] = settings.kafka_sasl_mechanism
        properties["sasl.username"] = read_secret(settings.kafka_username_file)
        properties["sasl.password"] = read_secret(settings.kafka_password_file)
    return properties


def java(settings: Settings, package: str = "org.apache.kafka") -> dict[str, str]:
    """Returns the properties of a Java Kafka client whose classes are in `package`. Raises SettingsError for unusable files."""
    properties = {"bootstrap.servers": settings.kafka_bootstrap, "security.protocol": settings.kafka_security_protocol}
    if uses_tls(settings) and settings.ca_bundle:
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": checked_ca_bundle(settings)}
    if uses_login(settings):
        username, password = _reference(settings.kafka_username_file), _reference(settings.kafka_password_file)
        module = f"{package}.common.{LOGIN_MODULES[settings.kafka_sasl_mechanism]}"
        properties |= {
            "config.providers": "directory",
            "config.providers.directory.class": f"{package}.common.config.provider.DirectoryConfigProvider",
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.jaas.config": f'{module} required username="{username}" password="{password}";',
        }
    return properties


def uses_tls(settings: Settings) -> bool:
    """Returns whether the connection is encrypted."""
    return settings.kafka_security_protocol in ("SSL", "SASL_SSL")


def uses_login(settings: Settings) -> bool:
    """Returns whether the client sends a user and a password."""
    return settings.kafka_security_protocol.startswith("SASL_")


def checked_ca_bundle(settings: Settings) -> str:
    """Returns the path of the CA bundle. Raises SettingsError if it cannot be read or holds no certificate."""
    try:
        text = Path(settings.ca_bundle).read_text()
    except OSError as error:
        raise SettingsError(f"CLICKSTREAM_CA_BUNDLE={settings.ca_bundle}: {error.strerror}: name a readable PEM file") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise SettingsError(f"CLICKSTREAM_CA_BUNDLE={settings.ca_bundle} holds no certificate in PEM format: write the CA's certificate")
    return settings.ca_bundle


def _reference(path: str) -> str:
    """Returns the expression by which a Java client reads a secret file. Raises SettingsError for a file that would break it."""
    file = Path(path).absolute()
    secret = read_secret(path)
    if file.read_text() != secret or any(character in secret for character in '"\\\n'):
        raise SettingsError(
            f"{path}: Flink's Kafka client takes the file as it is: remove white space and line breaks around the secret"
            " (write it with `printf %s`), and choose one without quotation marks and backslashes"
        )
    return f"${{directory:{file.parent}:{file.name}}}"


class ConnectionErrors:
    """The callback `error_cb` of a librdkafka client: keeps the reason why it has no connection, '' without one.

    A request only says that it timed out. The client calls back in its `poll` and `flush`.
    """

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self, error: Any) -> None:
        # "all brokers down" follows each failed connection and says nothing of its own.
        if error.name() != "_ALL_BROKERS_DOWN":
            self.reason = " ".join(error.str().split())
