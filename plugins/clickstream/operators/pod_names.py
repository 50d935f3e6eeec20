"""Names of the pods and Ray jobs that the tries of one task start."""

from typing import Any

from clickstream_contracts import names


def pod_names(ti: Any) -> list[str]:
    """Returns the pod (or Ray job) name of each try of an Airflow task instance so far, the current try last."""
    return [names.pod_name(ti.dag_id, ti.run_id, ti.task_id, number) for number in range(1, ti.try_number + 1)]
