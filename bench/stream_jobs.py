"""The Flink process of the benchmark streams.

python -m bench.stream_jobs cpu FOLDER     CPU-seconds of each job over all that the topics hold now, as JSON on the last line
python -m bench.stream_jobs run FOLDER     run fraud_scores until the process is stopped
"""

import json
import sys
from dataclasses import replace
from typing import Any

from bench.flink_jobs import BOUNDED, earliest, environment, second_run, source_only
from clickstream_contracts.settings import Settings
from flink_apps.common import session
from flink_apps.fraud_scores import connectors as fraud_connectors
from flink_apps.fraud_scores import pipeline as fraud_scores
from flink_apps.recommendations import connectors as recommendations_connectors
from flink_apps.recommendations import pipeline as recommendations


def measure_cpu(settings: Settings, folder: str) -> None:
    """Print the CPU-seconds of each job from the start of its topics to their present end."""
    jobs = {
        "read_json": lambda: source_only(settings, folder, "json"),
        "fraud_scores": lambda: bounded_fraud_scores(settings, folder),
        "recommendations": lambda: bounded_recommendations(settings, folder),
    }
    print(json.dumps({name: second_run(job) for name, job in jobs.items()}))


def bounded_fraud_scores(settings: Settings, folder: str) -> Any:
    """Returns fraud_scores over all that the topic holds, with one tick."""
    kafka = fraud_connectors.kafka()
    tables = replace(kafka, records=kafka.records | BOUNDED, ticks={"connector": "datagen", "number-of-rows": "1"})
    text = fraud_scores.render(settings, tables)
    return session.statement_set(environment(settings, folder, fraud_scores.STREAM), text, earliest(settings, "records"))


def bounded_recommendations(settings: Settings, folder: str) -> Any:
    """Returns recommendations over all that both topics hold."""
    kafka = recommendations_connectors.kafka()
    tables = replace(kafka, sources={name: options | BOUNDED for name, options in kafka.sources.items()})
    text = recommendations.render(settings, tables)
    return session.statement_set(environment(settings, folder, recommendations.STREAM), text, earliest(settings, "clicks"))


def run_fraud_scores(settings: Settings, folder: str) -> None:
    """Score what arrives from now on."""
    stream = fraud_scores.STREAM
    tables = environment(settings, folder, stream)
    session.statement_set(tables, stream.render(settings), stream.submission_values(settings, {})).execute().wait()


def main(command: str, folder: str) -> None:
    """Run one of the two commands."""
    settings = Settings.from_env()
    if command == "cpu":
        measure_cpu(settings, folder)
    elif command == "run":
        run_fraud_scores(settings, folder)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
