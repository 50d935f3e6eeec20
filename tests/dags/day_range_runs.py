"""Shows when Airflow goes on with a range of days: `python -m tests.dags.day_range_runs`, in a process of its own.

Prints, as JSON lines, for each case its name, whether the scheduler would start the task `next_days`, and the state of the run. A case that
names a task again is a run that was cleared from that task on and then succeeded. It calls methods of the scheduler, so a new minor version
of Airflow may break it.
"""

import json
from typing import Any

import tests.plugins.environment  # noqa: F401  # isort: skip  # Airflow reads these environment variables when it is imported

from airflow.utils.session import create_session

from clickstream_contracts import names
from tests.dags.manual_run import create_database, create_run

BEFORE = ["wait_for_lake", "pin_main", "create_branch", "dimensions", "curate", "marts", "seal"]
AUDITED = [*BEFORE, "audit", "failed_audits"]
PUBLISHED = [*AUDITED, "merge", "tag"]
# Name, tasks that succeeded, tasks in another state, and the tasks of a second pass, after the run was cleared.
CASES: list[tuple[str, list[str], dict[str, str], list[str]]] = [
    ("published", PUBLISHED, {}, []),
    ("nothing to publish", BEFORE[:-1], {"seal": "skipped"}, []),
    ("still running", AUDITED, {"merge": "running"}, []),
    ("an audit failed", BEFORE, {"audit": "failed"}, []),
    ("a merge conflict", AUDITED, {"merge": "failed"}, []),
    ("curate failed", BEFORE[:4], {"curate": "failed"}, []),
    ("an audit failed, then the cleared run published", BEFORE, {"audit": "failed"}, PUBLISHED),
]


def main() -> None:
    create_database()
    for case in CASES:
        with create_session() as session:
            print(json.dumps([case[0], *play(session, *case)]))


def play(session: Any, name: str, succeeded: list[str], others: dict[str, str], second_pass: list[str]) -> tuple[bool, str]:
    """Returns whether `next_days` is scheduled, and the state of the run."""
    dag, run = create_run(session, names.NIGHTLY, name.replace(" ", "_").replace(",", ""))
    run.dag = dag
    set_states(run, session, dict.fromkeys(succeeded, "success") | others)
    is_scheduled = schedule(run, session)
    if second_pass:
        assert not is_scheduled
        dag.clear(run_id=run.run_id, session=session, only_failed=False)
        session.flush()
        set_states(run, session, dict.fromkeys(second_pass, "success"))
        is_scheduled = schedule(run, session)
    return is_scheduled, str(run.state)


def set_states(run: Any, session: Any, states: dict[str, str]) -> None:
    for ti in run.get_task_instances(session=session):
        if ti.task_id in states:
            ti.state = states[ti.task_id]
    session.flush()


def schedule(run: Any, session: Any) -> bool:
    """Lets the scheduler decide until nothing changes; returns whether `next_days` would start. drop_branch, which it starts, succeeds."""
    started: set[str] = set()
    for _ in range(15):
        session.expire_all()
        decided, _callback = run.update_state(session=session, execute_callbacks=False)
        started |= {ti.task_id for ti in decided}
        for ti in decided:
            if ti.task_id in ("drop_branch", "rerun"):
                ti.state = "success"
        session.flush()
    return "next_days" in started


if __name__ == "__main__":
    main()
