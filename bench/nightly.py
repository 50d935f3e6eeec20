"""Measures a nightly run on a stack of its own, task by task: for one day of events, and without new events (the fixed cost)."""

from typing import Any

from bench.stack import temporary_stack
from clickstream_contracts import names
from tests.shop_day import Shop

DAY = "2026-01-02"
EVENTS = 100_000
SHOP = ("history", "--days", "1", "--events", str(EVENTS), "--until", DAY, "--seed", "7")


def measure() -> dict[str, Any]:
    """Returns the wall-clock seconds of two nightly runs and of their tasks."""
    with temporary_stack() as env:
        shop = Shop(env)
        with shop.airflow:
            shop.start_streams()
            shop.run("tools.shop", *SHOP)
            return {"events": EVENTS, "nightly": run_nightly(shop), "nightly_without_new_events": run_nightly(shop)}


def run_nightly(shop: Shop) -> dict[str, float]:
    """Run a nightly run; returns the seconds of each task in order of their start, and of the whole run as `all`."""
    run_id = shop.nightly(DAY)
    tasks = sorted(shop.airflow.tasks(names.NIGHTLY, run_id), key=lambda task: task["start_date"] or "")
    seconds = {task["task_id"]: round(task["duration"], 1) for task in tasks if task["duration"]}
    [run] = [run for run in shop.runs(names.NIGHTLY) if run["dag_run_id"] == run_id]
    return {**seconds, "all": round(float(run["duration"]), 1)}
