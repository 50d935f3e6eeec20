"""The measured half of the streams' benchmark, in the Flink environment.

python -m bench.stream_jobs cpu FOLDER     CPU-seconds of each job over all that the topics hold now, as JSON on the last line
python -m bench.stream_jobs run FOLDER     fraud_scores until it is stopped
"""

import json
import sys
from typing import Any

from bench.flink_jobs import environment, second_run, source_only
from clickstream_contracts.settings import Settings
from flink_apps import engine, fraud_doors, fraud_scores, fraud_sql, recommendations
from flink_apps.app import App
from flink_apps.template import options


def cpu(settings: Settings, folder: str) -> None:
    """Measure each job to the present end of its topics; each run groups its reads under a name of its own."""
    one_tick = {"door_ticks": options({"connector": "datagen", "number-of-rows": "1"})}
    fraud = fraud_sql.render(settings, fraud_doors.kafka() | one_tick)
    lists = recommendations.render(settings)
    jobs = {
        "read_json": lambda: source_only(settings, folder, "json"),
        "fraud_scores": lambda: bounded(settings, folder, fraud_scores.APP, fraud),
        "recommendations": lambda: bounded(settings, folder, recommendations.APP, lists),
    }
    print(json.dumps({name: second_run(job) for name, job in jobs.items()}))


def bounded(settings: Settings, folder: str, app: App, text: str) -> Any:
    """The job over all that its topics hold."""
    start, end = "'scan.startup.mode' = 'earliest-offset'", "'scan.bounded.mode' = 'latest-offset'"
    text = text.replace("${startup}", start).replace(start, f"{start}, {end}").replace(f"'{app.name}'", "'bench'")
    return engine.one_job(environment(settings, folder, app), text, settings)


def run(settings: Settings, folder: str) -> None:
    """Score what arrives from now on."""
    app = fraud_scores.APP
    engine.one_job(environment(settings, folder, app), app.render(settings), settings, app.startup({})).execute().wait()


if __name__ == "__main__":
    {"cpu": cpu, "run": run}[sys.argv[1]](Settings.from_env(), sys.argv[2])
