"""Plants events that are known to be synthetic: one that must reach the lake, in a burst that must raise a fraud alert."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from confluent_kafka import KafkaError, Message, Producer

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
from tools.kafka.client import SendError, require_topic

# Users, sessions, devices and events with this prefix are synthetic.
PREFIX = "validation-"
USER_AGENT = "clickstream-validation"
# The pattern rapid_fire alerts on more than 5 events of one user in 10 s. Logins are scored at once and are no part of revenue,
# orders, funnels or product views.
PATTERN, BURST, EVENT_TYPE = "rapid_fire", 9, "login"
SEND_SECONDS = 30


@dataclass(frozen=True)
class Planted:
    """A burst of events of one user: their ids, and the time before the first was sent."""

    user_id: str
    event_ids: list[str]
    sent_after: datetime


@dataclass
class _Deliveries:
    """What the broker said about each record."""

    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)

    def record(self, error: KafkaError | None, _: Message) -> None:
        """Count one record; called by the producer."""
        if error is None:
            self.acknowledged += 1
        else:
            self.refused.append(error.str())


def events(run: str, now_ms: int) -> list[dict[str, object]]:
    """Returns the burst's events, 100 ms apart, the last one now."""
    user_id = f"{PREFIX}{run}"
    return [
        {
            "event_id": f"{user_id}-{number}",
            "event_type": EVENT_TYPE,
            "event_time": now_ms - (BURST - 1 - number) * 100,
            "user_id": user_id,
            "session_id": user_id,
            "device_id": user_id,
            "user_agent": USER_AGENT,
            "schema_version": names.EVENT_VERSION,
            "producer": "validation",
        }
        for number in range(BURST)
    ]


def plant(settings: Settings) -> Planted:
    """Send the burst. Raises SendError if the broker does not acknowledge all of it."""
    require_topic(settings)
    sent_after, deliveries = datetime.now(UTC), _Deliveries()
    burst = events(uuid.uuid4().hex, time.time_ns() // 1_000_000)
    producer = Producer(kafka_clients.librdkafka(settings) | {"enable.idempotence": True, "acks": "all"})
    for event in burst:
        producer.produce(names.CLICKS_TOPIC, orjson.dumps(event), str(event["session_id"]).encode(), on_delivery=deliveries.record)
    producer.flush(SEND_SECONDS)
    if deliveries.acknowledged != len(burst):
        reasons = ", ".join(sorted(set(deliveries.refused))) or f"no answer within {SEND_SECONDS} s"
        raise SendError(
            f"Kafka at {settings.kafka_bootstrap} acknowledged {deliveries.acknowledged} of {len(burst)} records of"
            f" {names.CLICKS_TOPIC}: {reasons}"
        )
    return Planted(str(burst[0]["user_id"]), [str(event["event_id"]) for event in burst], sent_after)
