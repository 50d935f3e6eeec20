"""What the Flink hook says when things go wrong."""

import pytest

from clickstream.hooks.flink import FlinkError, FlinkHook, first_lines
from clickstream.hooks.flink_keeper import Origin
from tests.ports import free_ports


def test_an_absent_cluster_is_one_clear_line() -> None:
    uri = f"http://127.0.0.1:{free_ports()['flink_port']}"
    with pytest.raises(FlinkError, match=f"^Flink does not answer at {uri} .*Connection refused.*is its JobManager up"):
        FlinkHook(uri, attempts=1).jobs("clicks_to_lake")


def test_a_stacktrace_is_told_by_its_first_line_and_its_root() -> None:
    trace = """java.io.IOException: Failed to deserialize
    \tat org.apache.flink.One(One.java:1)
    Caused by: java.lang.RuntimeException: on the way
    \tat org.apache.flink.Two(Two.java:2)
    Caused by: java.lang.ArithmeticException: / by zero
    \t... 9 more"""
    assert first_lines(trace) == "java.io.IOException: Failed to deserialize <- Caused by: java.lang.ArithmeticException: / by zero"


def test_a_failure_without_words_says_so() -> None:
    assert first_lines("") == "no reason given"


def test_an_origin_says_where_a_job_goes_on() -> None:
    assert str(Origin("s3://lake/flink/x/savepoint-1")) == "s3://lake/flink/x/savepoint-1"
    assert str(Origin(None, {"t.v1": {1: 7, 0: 12}})) == "the lake's end (t.v1 0: 12, t.v1 1: 7)"
    assert str(Origin(None)) == "its own beginning"
