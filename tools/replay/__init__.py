"""Replay: sends events from a user's own file to Kafka; every line is sent or rejected with a reason."""
