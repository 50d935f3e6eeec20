"""Settings are read from the environment; a wrong one is refused in one line that names it."""

from pathlib import Path

import pytest

from clickstream_contracts.settings import Settings, SettingsError, read_env_file, read_secret


def test_defaults_survive_the_round_trip_through_the_environment() -> None:
    assert Settings.from_env(Settings().to_env()) == Settings()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"CLICKSTREAM_KAFKA": "x"}, "unknown setting CLICKSTREAM_KAFKA: docs/settings.md"),
        ({"CLICKSTREAM_RUNTIME": "docker"}, "CLICKSTREAM_RUNTIME='docker': use one of local, kubernetes"),
        ({"CLICKSTREAM_KAFKA_PORT": "many"}, "CLICKSTREAM_KAFKA_PORT='many': use a whole number"),
        ({"CLICKSTREAM_TIME_ZONE": "Berlin"}, "CLICKSTREAM_TIME_ZONE: unknown time zone 'Berlin': use a name like Europe/Berlin"),
        ({"CLICKSTREAM_TIME_ZONE": "../secrets"}, "CLICKSTREAM_TIME_ZONE: unknown time zone"),
        ({"CLICKSTREAM_CHECKPOINT_SECONDS": "0"}, "CLICKSTREAM_CHECKPOINT_SECONDS='0': use at least 1"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name_and_the_fix(env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_env(env)


def test_an_env_file_is_checked_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "stack.env"
    file.write_text("# sizes\n\nCLICKSTREAM_KAFKA_PORT = 19092\n")
    assert read_env_file(file) == {"CLICKSTREAM_KAFKA_PORT": "19092"}
    for text, message in (
        ("CLICKSTREAM_NO=1", "unknown setting CLICKSTREAM_NO"),
        ("HOME=/x", "starts with CLICKSTREAM_"),
        ("nothing", "is not KEY=value"),
    ):
        file.write_text(text)
        with pytest.raises(SettingsError, match=message):
            read_env_file(file)


def test_a_missing_or_empty_secret_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the secret file"):
        read_secret(str(tmp_path / "absent"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        read_secret(str(tmp_path / "empty"))
