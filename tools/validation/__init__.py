"""Validates a running deployment by outcomes: planted events and fraud, a published nightly run, an answer from the trained model."""
