"""Shows when Airflow's scheduler runs the task `rollback` of a rollout: `python -m tests.dags.rollback_runs`, in a process of its own.

Prints, as JSON lines, for each case: its name, the tasks that are scheduled next, the state of the run meanwhile, and the state of the
run after these tasks succeeded. It calls methods of the scheduler, so a new minor version of Airflow may break it.
"""

import json
from typing import Any

import tests.plugins.environment  # noqa: F401  # isort: skip  # Airflow reads these environment variables when it is imported

from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
from airflow.utils.session import create_session

from clickstream_contracts import names
from tests.dags.manual_run import create_database, create_run

STEPS = ["pin_main", "start", "check_1", "widen_10", "check_10", "widen_50", "check_50", "widen_100", "check_100", "finish", "tag"]
# Name, state of the task that ends or interrupts the rollout, that task, and whether the run is marked as failed then.
CASES = [
    ("a check failed", "failed", "check_1", False),
    ("start failed", "failed", "start", False),
    ("marked failed while start runs", "running", "start", True),
    ("marked failed while a check runs", "running", "check_50", True),
    ("marked failed between two tasks", "success", "widen_50", True),
    ("pin_main failed", "failed", "pin_main", False),
    ("finished", "success", "tag", False),
]


def main() -> None:
    create_database()
    for case in CASES:
        with create_session() as session:
            print(json.dumps([case[0], *play(session, *case)]))


def play(session: Any, name: str, state: str, last_task: str, mark_failed: bool) -> tuple[list[str], str, str]:
    """Returns the tasks that are scheduled next, the state of the run, and its state after these tasks succeeded."""
    dag, run = create_run(session, names.ROLLOUT, name.replace(" ", "_"))
    run.dag = dag
    tasks = {ti.task_id: ti for ti in run.get_task_instances(session=session)}
    for step in STEPS[: STEPS.index(last_task) + 1]:
        tasks[step].state = state if step == last_task else "success"
    session.flush()
    if mark_failed:
        set_dag_run_state_to_failed(dag=dag, run_id=run.run_id, commit=True, session=session)
        session.flush()
    next_tasks = schedule(run, session)
    state_meanwhile = str(run.state)
    for ti in run.get_task_instances(session=session):
        if ti.task_id in next_tasks:
            ti.state = "success"
    session.flush()
    schedule(run, session)
    return next_tasks, state_meanwhile, str(run.state)


def schedule(run: Any, session: Any) -> list[str]:
    """Returns the tasks that the scheduler would start now; it first decides which ones are skipped."""
    schedulable: list[str] = []
    # Each decision about a task can decide the tasks after it.
    for _ in range(len(STEPS) + 2):
        session.expire_all()
        decided, _ = run.update_state(session=session, execute_callbacks=False)
        schedulable = sorted(ti.task_id for ti in decided)
        session.flush()
    return schedulable


if __name__ == "__main__":
    main()
