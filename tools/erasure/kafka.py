"""What an erasure does in Kafka: the user's list of recommendations is removed; the other records leave with the topics' retention."""

from datetime import datetime, timedelta

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.kafka import compacted, topics

# Topics whose records carry ids of users.
TOPICS = (
    names.CLICKS_TOPIC,
    names.LATE_CLICKS_TOPIC,
    names.FRAUD_SCORES_TOPIC,
    names.FRAUD_ALERTS_TOPIC,
    names.RECOMMENDATIONS_TOPIC,
)


def until(settings: Settings, now: datetime) -> dict[str, str]:
    """Returns when the retention of each topic has removed the records of now. Raises SendError if Kafka cannot be reached."""
    retention = topics.retention_ms(settings)
    return {topic: _end(retention[topic], now) for topic in TOPICS}


def _end(retention_ms: int, now: datetime) -> str:
    if retention_ms < 0:
        return "the topic is compacted: the newest record of the user is removed, the older ones at its next compaction"
    return (now + timedelta(milliseconds=retention_ms)).isoformat(timespec="seconds")


def remove_recommendations(settings: Settings, user: str) -> None:
    """Write a tombstone for the user's list: the replicas of the recommender forget it at once. Raises SendError."""
    compacted.write(settings, names.RECOMMENDATIONS_TOPIC, {user: None}, lambda _: None)
