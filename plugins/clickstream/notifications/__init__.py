"""Notifications: failed tasks and warnings of audits are sent to a webhook or by e-mail, as Airflow connections say."""
