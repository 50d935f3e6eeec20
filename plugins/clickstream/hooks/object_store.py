"""The file system of the object store."""

from typing import Any

from clickstream_contracts import lake_clients
from clickstream_contracts.settings import Settings


def s3_filesystem(settings: Settings) -> Any:
    """Returns a pyarrow S3 file system with the credentials of the settings."""
    # Imported here: every Airflow process imports the operators, and only running tasks open files.
    from pyarrow.fs import S3FileSystem

    return S3FileSystem(**lake_clients.pyarrow(settings))
