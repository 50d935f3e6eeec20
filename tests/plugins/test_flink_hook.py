"""Error messages of the Flink hook, and the text of a stream's start position."""

import pytest

from clickstream.hooks.flink import FlinkError, FlinkHook, error_and_root_cause
from clickstream.streams.deployer import StartPosition
from tests.ports import free_ports


def test_an_unreachable_cluster_is_reported_in_one_line() -> None:
    uri = f"http://127.0.0.1:{free_ports()['flink_port']}"
    with pytest.raises(FlinkError, match=f"^cannot reach Flink at {uri} .*Connection refused.*: check that the JobManager runs"):
        FlinkHook(uri, attempts=1).jobs("clicks_to_lake")


def test_a_stack_trace_is_shortened_to_the_error_and_its_root_cause() -> None:
    stacktrace = """java.io.IOException: Failed to deserialize
    \tat org.apache.flink.One(One.java:1)
    Caused by: java.lang.RuntimeException: on the way
    \tat org.apache.flink.Two(Two.java:2)
    Caused by: java.lang.ArithmeticException: / by zero
    \t... 9 more"""
    expected = "java.io.IOException: Failed to deserialize <- Caused by: java.lang.ArithmeticException: / by zero"
    assert error_and_root_cause(stacktrace) == expected


def test_a_stack_trace_without_a_cause_is_its_first_line() -> None:
    assert error_and_root_cause("java.io.IOException: closed\n\tat org.apache.flink.One(One.java:1)") == "java.io.IOException: closed"


def test_an_empty_stack_trace_gives_no_reason() -> None:
    assert error_and_root_cause("") == "no reason given"


def test_a_start_position_names_the_state_or_the_offsets() -> None:
    assert str(StartPosition("s3://lake/flink/x/savepoint-1")) == "s3://lake/flink/x/savepoint-1"
    assert str(StartPosition(None, {"t.v1": {1: 7, 0: 12}})) == "the end offsets of the lake (t.v1 0: 12, t.v1 1: 7)"
    assert str(StartPosition(None)) == "the app's own start offsets"
