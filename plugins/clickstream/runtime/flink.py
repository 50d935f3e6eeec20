"""Streams: a Flink session cluster with the same REST interface stands in every runtime."""

from typing import Any

from airflow.sdk import BaseOperator

from clickstream.runtime.base import FlinkStream


class FlinkSession:
    """The half of a runtime that is the same everywhere."""

    def flink_submit(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        from clickstream.operators.flink import FlinkSubmitOperator

        return FlinkSubmitOperator(stream=stream, **task)

    def flink_health(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        from clickstream.operators.flink import FlinkHealthOperator

        return FlinkHealthOperator(stream=stream, **task)
