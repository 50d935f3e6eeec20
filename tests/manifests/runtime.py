"""Reads runtime.yaml: what Airflow's Kubernetes runtime creates, written by tests/plugins, which have Airflow installed."""

from pathlib import Path

import yaml

from tests.manifests.rendered import Object

SNAPSHOT = Path(__file__).with_name("runtime.yaml")


def airflow_resources() -> list[Object]:
    """A SparkApplication, a tool pod and a RayJob."""
    return list(yaml.safe_load_all(SNAPSHOT.read_text()))
