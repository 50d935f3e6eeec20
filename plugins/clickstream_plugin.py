"""Registers the plugin `clickstream` with Airflow. Operators and hooks are imported from the package `clickstream`."""

from airflow.plugins_manager import AirflowPlugin


class ClickstreamPlugin(AirflowPlugin):
    """The plugin in the list of Airflow's UI; it adds nothing to Airflow yet."""

    name = "clickstream"
