"""Lets the gate judge a trained model and writes it down on the run's branch: `ml.models`, `ml.evaluations`, and a receipt.

A refused model is written down too, with the reasons. The champion is the one that serves at this moment.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from ray_apps.common import cli, model_registry
from ray_apps.common.model_registry import EVALUATIONS, MODELS, Row
from ray_apps.common.storage import read_bytes
from ray_apps.jobs import gate
from ray_apps.jobs.gate import Verdict
from ray_apps.recommender.evaluation import CANDIDATE, Evaluation, EvaluationError


def main(argv: list[str]) -> int:
    """Judge and write down. Returns the exit code: 0 for a refused model as well, for the verdict is in the receipt."""
    found = cli.parser("register", __doc__)
    found.add_argument("--training", required=True, type=cli.json_object, help="the receipt of the training, as JSON")
    found.add_argument("--data-commit", required=True, help="the commit behind the tag that the training read")
    return cli.run("register", found, work, argv)


def work(settings: Settings, args: argparse.Namespace) -> Receipt:
    """One registration."""
    training, branch = args.training, model_registry.catalog(settings, args.ref)
    sha256, uri = training["content"]["model"], training["outputs"]["model"]
    champion, _ = model_registry.champion(model_registry.catalog(settings, names.MAIN))
    verdict = gate.judge_stored(settings, uri, training["outputs"]["evaluation"], sha256, champion)
    rows = {MODELS: [_model(args, verdict)], EVALUATIONS: list(_evaluations(settings, args, verdict))}
    tables = {name: branch.load_table(name) for name in rows}
    for name, table in tables.items():
        model_registry.put(table, rows[name], sha256)
    return Receipt(
        app="register",
        run=args.run,
        inputs={"model": sha256, "champion": champion},
        outputs={name: branch.load_table(name).metadata_location for name in tables},
        rows={name: len(found) for name, found in rows.items()},
        facts={**asdict(verdict), "uri": uri, "tag": training["facts"]["data"], "champion": champion},
    )


def _model(args: argparse.Namespace, verdict: Verdict) -> Row:
    facts = args.training["facts"]
    texts = {"parameters": facts["parameters"], "metrics": facts["metrics"], "trials": facts["trials"], "code_versions": facts["versions"]}
    return {
        "model_sha256": args.training["content"]["model"],
        "uri": args.training["outputs"]["model"],
        "created_at": model_registry.now(),
        "data_tag": facts["data"],
        "data_commit": args.data_commit,
        "seed": facts["seed"],
        **{name: json.dumps(value, sort_keys=True) for name, value in texts.items()},
        "run": args.run,
        "passed": verdict.passed,
        "verdict": json.dumps({"reasons": verdict.reasons, "numbers": verdict.numbers}, sort_keys=True),
    }


def _evaluations(settings: Settings, args: argparse.Namespace, verdict: Verdict) -> Iterator[Row]:
    """A row for each rival, part and metric; none if there is no evaluation to read, which the verdict says."""
    try:
        found = Evaluation.from_bytes(read_bytes(args.training["outputs"]["evaluation"], settings))
    except (EvaluationError, OSError):
        return
    parts = {"all": np.ones(len(found.groups), bool), **found.slices}
    for rival, values in found.values.items():
        for metric, one in values.items():
            for part, chosen in parts.items():
                yield {
                    "model_sha256": args.training["content"]["model"],
                    "rival": rival,
                    "part": part,
                    "metric": metric,
                    "value": _percent(one[chosen]),
                    "lower_bound_of_gain": None if rival == CANDIDATE else verdict.numbers.get(f"{part}_{metric}_over_{rival}"),
                    "queries": int(chosen.sum()),
                    "run": args.run,
                }


def _percent(values: Any) -> float | None:
    mean = float(values.mean()) if values.size else math.nan
    return None if math.isnan(mean) else 100 * mean


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
