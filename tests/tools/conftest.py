"""A stack of S3, Nessie and Kafka with its tables and topics, without an engine."""

from collections.abc import Iterator

import pytest

from clickstream_contracts.settings import Settings, read_env_file
from tests.tools.local_stack import running_stack
from tools.kafka import topics


@pytest.fixture(scope="module")
def s3_and_nessie(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A lake without Kafka."""
    home = tmp_path_factory.mktemp("lake")
    with running_stack(home, "s3,nessie"):
        yield Settings.from_env(read_env_file(home / "settings.env"))


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("storage")
    with running_stack(home, "s3,nessie,kafka"):
        settings = Settings.from_env(read_env_file(home / "settings.env"))
        topics.ensure(settings)
        yield settings
