"""Registers the project's plugin with Airflow; operators and hooks are plain imports from `clickstream`."""

from airflow.plugins_manager import AirflowPlugin


class ClickstreamPlugin(AirflowPlugin):
    """Nothing to register yet but the name, by which the page lists the plugin."""

    name = "clickstream"
