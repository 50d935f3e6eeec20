"""The Flink cluster and the state of its streams as the commands `prepare_upgrade` and `status` see them."""

from clickstream.hooks import connections
from clickstream.hooks.flink import FlinkHook, Job
from clickstream_contracts.settings import Settings


def flink(settings: Settings) -> FlinkHook:
    """Returns the client of the cluster."""
    return FlinkHook(connections.endpoint(connections.FLINK, settings.flink_uri).uri)


def running_jobs(cluster: FlinkHook, app: str) -> list[Job]:
    """Returns the jobs of a stream that have not ended."""
    return [job for job in cluster.jobs(app) if not job.ended]
