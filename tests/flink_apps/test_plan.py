"""The statements of clicks_to_lake and their plan: the golden SQL, one parse per record, no Python operator."""

from dataclasses import replace
from pathlib import Path

from clickstream_contracts.settings import Settings
from flink_apps.clicks_to_lake import pipeline

STREAM = "clicks_to_lake"
GOLDEN = Path(__file__).with_name("clicks_to_lake.golden.sql")


def test_the_rendered_sql_equals_the_golden_file() -> None:
    text = pipeline.render(Settings()) + "\n"
    assert text == GOLDEN.read_text(), f"if the change is intended: python -m flink_apps.clicks_to_lake --print > {GOLDEN.name}"


def test_the_plan_has_no_python_operator(plan: str) -> None:
    assert "Python" not in plan
    assert plan.count("Sink(") == 2


def test_a_record_is_read_parsed_and_validated_once(plan: str) -> None:
    assert plan.count("TableSourceScan(") == 1
    assert plan.count("Correlate(") == 1
    assert plan.count("unknown_version|") == 1


def test_the_plan_has_no_shuffle(plan: str) -> None:
    assert "Exchange(" not in plan


def test_the_definition_changes_only_with_what_shapes_the_job() -> None:
    definition = pipeline.STREAM.definition
    default = definition(Settings())
    assert default != definition(Settings(event_max_bytes=10))
    assert default != definition(Settings(event_earliest="2020-01-01"))
    assert default != definition(Settings(checkpoint_seconds=60))
    assert default == definition(replace(Settings(), kafka_bootstrap="elsewhere:9092", s3_bucket="other"))


def test_the_statements_hold_no_address_and_no_secret() -> None:
    settings = Settings(kafka_bootstrap="broker.example:9092", s3_access_key_file="/secrets/key")
    assert "broker.example" not in pipeline.render(settings)
    assert "/secrets/key" not in pipeline.render(settings)
