"""The settings of a command: those of the local stack, and variables of the environment before them."""

from pathlib import Path

import pytest

from clickstream_contracts.settings import Settings
from tools.common.command import current_settings


@pytest.fixture
def stack_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a stack that was started on other ports than the defaults."""
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path))
    (tmp_path / "settings.env").write_text("CLICKSTREAM_KAFKA_BOOTSTRAP=127.0.0.1:7\nCLICKSTREAM_KAFKA_PORT=7\n")
    return tmp_path


def test_the_settings_are_those_of_the_started_stack(stack_dir: Path) -> None:
    settings = current_settings()
    assert (settings.kafka_bootstrap, settings.kafka_port) == ("127.0.0.1:7", 7)
    assert settings.stack_dir == str(stack_dir)


@pytest.mark.parametrize("address", ["kafka.example:9092", Settings().kafka_bootstrap], ids=["another value", "the default"])
def test_a_variable_of_the_environment_overrides_the_stack(stack_dir: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP", address)
    settings = current_settings()
    assert (settings.kafka_bootstrap, settings.kafka_port) == (address, 7)
