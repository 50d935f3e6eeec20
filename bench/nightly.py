"""A night on a stack of its own: seconds of each task, for a small day, and for a night without news, which is the fixed cost."""

from typing import Any

from bench.stack import temporary_stack
from clickstream_contracts import names
from tests.shop_day import Shop

DAY = "2026-01-02"
SHOP = ("history", "--days", "1", "--events", "100000", "--until", DAY, "--seed", "7")


def measure() -> dict[str, Any]:
    """Wall seconds of two nights and of their tasks, and memory of the whole stack at rest."""
    with temporary_stack() as env:
        shop = Shop(env)
        with shop.airflow:
            shop.start_streams()
            shop.run("tools.shop", *SHOP)
            return {"events": 100_000, "night": one(shop), "night_without_news": one(shop)}


def one(shop: Shop) -> dict[str, float]:
    """Run a night; seconds by task, and of the whole."""
    run_id = shop.nightly(DAY)
    tasks = sorted(shop.airflow.tasks(names.NIGHTLY, run_id), key=lambda task: task["start_date"] or "")
    seconds = {task["task_id"]: round(task["duration"], 1) for task in tasks if task["duration"]}
    return {**seconds, "all": round(float(next(run["duration"] for run in shop.runs(names.NIGHTLY) if run["dag_run_id"] == run_id)), 1)}
