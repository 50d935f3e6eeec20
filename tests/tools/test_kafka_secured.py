"""The tools connect to a real Kafka with TLS of a private CA and a login; a wrong file is named in one line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from clickstream_contracts import names
from clickstream_contracts.kafka_clients import librdkafka
from clickstream_contracts.settings import Settings, SettingsError
from tests.secured_kafka import SecuredKafka, secured_kafka
from tools.kafka import compacted, topics
from tools.kafka.client import SendError
from tools.kafka.producer import Records, Sender
from tools.kafka.reader import records
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import GOOD

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        topics.ensure(Settings(**kafka.settings()))
        yield kafka


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_what_is_sent_is_read(kafka: SecuredKafka, mechanism: str) -> None:
    settings = Settings(**kafka.settings(mechanism))
    values: dict[str, bytes | None] = {"a": mechanism.encode(), "b": None}
    compacted.write(settings, names.ITEM_NEIGHBOURS_TOPIC, values, print)
    assert compacted.read(settings, names.ITEM_NEIGHBOURS_TOPIC) == {"a": mechanism.encode()}


def test_the_producer_of_events_logs_in(kafka: SecuredKafka, tmp_path: Path) -> None:
    settings = Settings(**kafka.settings(), stack_dir=str(tmp_path))
    with Journal(settings, "run", {}) as journal:
        sender = Sender(settings, journal)
        sender.send(Records(["1"], [GOOD[0]], [b"session"], [b"{}"]), [0])
        sender.flush()
    assert sender.acknowledged == 1
    assert [message.value() for message in records(settings, names.CLICKS_TOPIC)] == [b"{}"]


@pytest.mark.parametrize(
    ("what", "reason"), [("password", r"Authentication failed .*kafka_username and .*password"), ("ca_bundle", "certificate verify failed")]
)
def test_a_wrong_file_is_named_in_one_line(kafka: SecuredKafka, what: str, reason: str, tmp_path: Path) -> None:
    settings = Settings(**kafka.wrong(what, tmp_path))
    with pytest.raises(SendError, match=rf"cannot connect to Kafka at {kafka.bootstrap} \(SASL_SSL\): .*{reason}") as error:
        topics.ensure(settings)
    assert "\n" not in str(error.value)
    assert "CLICKSTREAM_CA_BUNDLE" in str(error.value)
    assert kafka.password.read_text() not in str(error.value)


def test_a_missing_file_is_named_before_anything_is_sent(kafka: SecuredKafka) -> None:
    for field in ("kafka_password_file", "ca_bundle"):
        with pytest.raises(SettingsError, match="/absent: "):
            topics.ensure(Settings(**kafka.settings() | {field: "/absent"}))


def test_a_client_without_login_is_told_the_protocol(kafka: SecuredKafka) -> None:
    with pytest.raises(SendError, match=r"\(PLAINTEXT\).*check CLICKSTREAM_KAFKA_BOOTSTRAP, CLICKSTREAM_KAFKA_SECURITY_PROTOCOL"):
        next(records(Settings(kafka_bootstrap=kafka.bootstrap), names.CLICKS_TOPIC))


def test_new_topics_get_the_replicas_of_the_settings_and_old_ones_are_reported(kafka: SecuredKafka) -> None:
    settings = replace(Settings(**kafka.settings()), kafka_replication_factor=3)
    lines = topics.ensure(settings)
    assert len(lines) == len(names.TOPICS)
    assert lines[0].startswith(f"topic {names.TOPICS[0]} has 1 of CLICKSTREAM_KAFKA_REPLICATION_FACTOR=3 replicas")
    assert topics.ensure(Settings(**kafka.settings())) == []
    admin = AdminClient(librdkafka(settings))
    resource = ConfigResource(ResourceType.TOPIC, names.CLICKS_TOPIC)
    assert admin.describe_configs([resource])[resource].result(30)["min.insync.replicas"].value == "1"
    admin.delete_topics([names.LATE_CLICKS_TOPIC])[names.LATE_CLICKS_TOPIC].result(30)
    with pytest.raises(SendError, match=f"did not create the topic {names.LATE_CLICKS_TOPIC} with CLICKSTREAM_KAFKA_REPLICATION_FACTOR=3"):
        topics.ensure(settings)
    topics.ensure(Settings(**kafka.settings()))


def test_of_three_replicas_two_acknowledge_a_write() -> None:
    for topic in topics.topics(Settings(kafka_replication_factor=3)):
        assert (topic.replication_factor, topic.config["min.insync.replicas"]) == (3, "2")


def test_a_password_is_read_again_by_the_next_client(kafka: SecuredKafka, tmp_path: Path) -> None:
    settings = Settings(**kafka.wrong("password", tmp_path))
    with pytest.raises(SendError):
        topics.ensure(settings)
    (tmp_path / "password").write_text(kafka.password.read_text() + "\n")
    producer = Producer(librdkafka(settings))
    producer.produce(names.FRAUD_ALERTS_TOPIC, b"x")
    assert producer.flush(30) == 0
