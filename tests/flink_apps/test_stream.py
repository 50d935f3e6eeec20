"""The command line of the streams: two renderings of the SQL, start positions, and the check of the requested definition."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clickstream_contracts import names
from clickstream_contracts.settings import Settings, SettingsError
from clickstream_contracts.sql_templates import TemplateError, render_text
from flink_apps.clicks_to_lake.pipeline import STREAM as CLICKS_TO_LAKE
from flink_apps.common.cli import DefinitionError, Stream, check_saved_statements
from flink_apps.common.sql import split_statements
from flink_apps.fraud_scores.pipeline import STREAM as FRAUD_SCORES
from flink_apps.fraud_to_lake.pipeline import STREAM as FRAUD_TO_LAKE
from flink_apps.recommendations.pipeline import STREAM as RECOMMENDATIONS
from tests.flink_apps.conftest import REPO

STREAMS = (CLICKS_TO_LAKE, FRAUD_SCORES, FRAUD_TO_LAKE, RECOMMENDATIONS)
SETTINGS = Settings(kafka_bootstrap="broker.example:9092")


def test_every_stream_job_has_a_stream() -> None:
    assert {stream.name for stream in STREAMS} == set(names.STREAM_JOBS)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_the_second_rendering_fills_every_expression(stream: Stream) -> None:
    saved = stream.render(SETTINGS)
    submitted = render_text(saved, stream.submission_values(SETTINGS, {}))
    assert "{{ kafka_connection }}" in saved
    assert "broker.example" not in saved
    assert "'properties.bootstrap.servers' = 'broker.example:9092'" in submitted
    assert submitted.count("'scan.startup.mode'") >= len(stream.topics)
    assert "{{" not in submitted


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_every_kafka_table_logs_in_from_files_and_no_statement_holds_their_content(stream: Stream, tmp_path: Path) -> None:
    for name in ("kafka_username", "kafka_password"):
        (tmp_path / name).write_text(f"secret {name}")
    settings = replace(
        SETTINGS,
        kafka_security_protocol="SASL_SSL",
        kafka_username_file=str(tmp_path / "kafka_username"),
        kafka_password_file=str(tmp_path / "kafka_password"),
    )
    saved = stream.render(settings)
    submitted = render_text(saved, stream.submission_values(settings, {}))
    tables = submitted.count("'connector' = 'kafka'")
    assert tables == submitted.count("'properties.security.protocol' = 'SASL_SSL'") >= 1
    assert submitted.count(f'password="${{directory:{tmp_path}:kafka_password}}"') == tables
    assert "secret kafka" not in submitted
    assert str(tmp_path) not in saved
    assert stream.definition(settings) == stream.definition(SETTINGS)


@pytest.mark.parametrize("password", ["with\n", 'quo"te', "back\\slash"])
def test_a_password_that_flink_would_read_otherwise_is_refused(password: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(password)
    (tmp_path / "user").write_text("user")
    settings = replace(
        SETTINGS,
        kafka_security_protocol="SASL_SSL",
        kafka_username_file=str(tmp_path / "user"),
        kafka_password_file=str(tmp_path / "password"),
    )
    with pytest.raises(SettingsError, match=f"{tmp_path}/password: Flink's Kafka client takes the file as it is"):
        CLICKS_TO_LAKE.submission_values(settings, {})


def test_a_start_position_that_is_not_given_is_an_error() -> None:
    with pytest.raises(TemplateError, match="startup"):
        render_text(CLICKS_TO_LAKE.render(SETTINGS), {"kafka_connection": ""})


def test_a_stream_starts_at_given_offsets_else_at_the_earliest() -> None:
    offsets = {names.CLICKS_TOPIC: {1: 5, 0: 7}}
    startup = CLICKS_TO_LAKE.submission_values(SETTINGS, offsets)["startup"]["records"]
    positions = "'scan.startup.specific-offsets' = 'partition:0,offset:7;partition:1,offset:5'"
    assert startup == f"'scan.startup.mode' = 'specific-offsets', {positions}"
    assert CLICKS_TO_LAKE.submission_values(SETTINGS, {})["startup"]["records"] == "'scan.startup.mode' = 'earliest-offset'"


def test_a_stream_with_a_look_back_starts_at_a_timestamp_whatever_the_offsets() -> None:
    startup = FRAUD_SCORES.submission_values(SETTINGS, {names.CLICKS_TOPIC: {0: 7}})["startup"]["records"]
    assert startup.startswith("'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '")


def test_only_without_state_a_stream_emits_no_results_of_the_events_that_fill_its_windows() -> None:
    values = FRAUD_SCORES.submission_values(SETTINGS, {}, without_state=True)
    seconds = (1000 * time.time() - values["emit_from"]) / 1000
    assert seconds == pytest.approx(FRAUD_SCORES.emit_seconds, abs=60)
    assert f"ts >= TO_TIMESTAMP_LTZ({values['emit_from']}, 3)" in render_text(FRAUD_SCORES.render(SETTINGS), values)
    assert FRAUD_SCORES.submission_values(SETTINGS, {})["emit_from"] == 0


def test_comment_lines_and_empty_statements_are_no_statements() -> None:
    assert split_statements("-- first;\nSELECT 1\n  -- inside\nFROM a;\n\n;\nSELECT 2;\n") == ["SELECT 1\nFROM a", "SELECT 2"]


def test_the_definition_changes_with_a_java_function() -> None:
    assert CLICKS_TO_LAKE.definition(SETTINGS) != replace(CLICKS_TO_LAKE, java_functions=()).definition(SETTINGS)


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_another_definition_than_the_requested_one_has_an_exit_code_of_its_own(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert CLICKS_TO_LAKE.main([*options, "--definition", "0123456789abcdef"]) == names.DEFINITION_MISMATCH_EXIT_CODE
    message = capsys.readouterr().err
    assert "definition 0123456789ab was requested" in message
    assert CLICKS_TO_LAKE.definition(Settings())[:12] in message


def test_the_check_of_the_own_definition_succeeds_without_a_job() -> None:
    assert CLICKS_TO_LAKE.main(["--check", "--definition", CLICKS_TO_LAKE.definition(Settings.from_env())]) == 0


def test_saved_statements_of_a_version_before_jinja_are_refused() -> None:
    check_saved_statements("s3://lake/new.sql", CLICKS_TO_LAKE.render(SETTINGS))
    check_saved_statements("s3://lake/earlier.sql", "'properties.bootstrap.servers' = '{{ kafka_bootstrap }}'")
    with pytest.raises(DefinitionError, match=r"saved statements s3://lake/old\.sql .* deploy that version"):
        check_saved_statements("s3://lake/old.sql", "'properties.bootstrap.servers' = '${kafka_bootstrap}',\n${startup}")


@pytest.mark.parametrize("text", ["", "[]", '{"clicks.v1": 5}', '{"clicks.v1": {"0": "first"}}'])
def test_offsets_that_cannot_be_read_are_refused_with_an_example(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        CLICKS_TO_LAKE.main(["--offsets", text])
    assert """is not a JSON object of offsets: write it like {"clicks.v1": {"0": 9}}""" in capsys.readouterr().err


# Runs a stream's module as a program in an interpreter that cannot import PyFlink.
WITHOUT_PYFLINK = """
import runpy, sys
sys.modules["pyflink"] = None
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__")
"""


@pytest.mark.parametrize("name", names.STREAM_JOBS)
@pytest.mark.parametrize("option", ["--print", "--hash"])
def test_printing_needs_no_pyflink(name: str, option: str) -> None:
    command = [sys.executable, "-c", WITHOUT_PYFLINK, f"flink_apps.{name}", option]
    path = {"PYTHONPATH": f"{REPO}:{REPO / 'contracts'}"}
    process = subprocess.run(command, env=path, cwd=REPO, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout
