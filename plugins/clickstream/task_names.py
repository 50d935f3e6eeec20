"""Names made from a task instance: the branch of its run, its receipt, and its pods in a cluster."""

from typing import Any

from clickstream_contracts import names


def run_branch(ti: Any) -> str:
    """Returns the Nessie branch of the task instance's DAG run."""
    return names.branch(ti.dag_id, ti.run_id)


def receipt_key(ti: Any, number: int) -> str:
    """Returns the key in the bucket of the receipt that a try of this task must write."""
    return names.receipt_key(ti.dag_id, ti.run_id, ti.task_id, number)


def try_name(ti: Any, number: int) -> str:
    """Returns the name of the pod, Spark application or Ray job of a try of this task."""
    return names.pod_name(ti.dag_id, ti.run_id, ti.task_id, number)


def current_try_name(ti: Any) -> str:
    """Returns the name of the pod, Spark application or Ray job of the current try."""
    return try_name(ti, ti.try_number)


def earlier_try_names(ti: Any) -> list[str]:
    """Returns the names of what earlier tries of this task started, oldest first."""
    return [try_name(ti, number) for number in range(1, ti.try_number)]
