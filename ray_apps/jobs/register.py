"""Judges a trained model with the gate and registers it on the run's branch: `ml.models`, `ml.evaluations` and a receipt.

A refused model is registered too, with the reasons. The champion is the stable model of the rollout at this moment.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from ray_apps.common import cli, model_registry
from ray_apps.common.model_registry import EVALUATIONS, MODELS, Row
from ray_apps.common.storage import read_bytes
from ray_apps.jobs import gate
from ray_apps.jobs.gate import Verdict
from ray_apps.recommender.evaluation import CANDIDATE, Evaluation, EvaluationError
from ray_apps.recommender.sessions import Floats


def main(argv: list[str]) -> int:
    """Judge and register. Returns the exit code: 0 for a refused model too, because the receipt holds the verdict."""
    parser = cli.job_parser("register", __doc__)
    parser.add_argument("--training", required=True, type=cli.json_object, help="the receipt of the training, as JSON")
    parser.add_argument("--data-commit", required=True, help="the commit of the tag that the training read")
    parser.add_argument("--accept-less-data", action="store_true", help="pass a model with much less data than the champion")
    return cli.run_job("register", parser, work, argv)


def work(settings: Settings, args: argparse.Namespace) -> Receipt:
    """Register one model. Returns the receipt."""
    training, branch = args.training, model_registry.open_catalog(settings, args.ref)
    sha256, uri = training["content"]["model"], training["outputs"]["model"]
    champion, _ = model_registry.champion(model_registry.open_catalog(settings, names.MAIN))
    rules = gate.ANY_DATA if args.accept_less_data else gate.Rules()
    verdict = gate.judge_stored(settings, uri, training["outputs"]["evaluation"], sha256, champion, rules)
    rows = {MODELS: [_model_row(args, verdict)], EVALUATIONS: list(_evaluation_rows(settings, args, verdict))}
    tables = {name: branch.load_table(name) for name in rows}
    for name, table in tables.items():
        model_registry.replace_rows(table, rows[name], sha256)
    return Receipt(
        app="register",
        run=args.run,
        inputs={"model": sha256, "champion": champion},
        outputs={name: branch.load_table(name).metadata_location for name in tables},
        rows={name: len(table_rows) for name, table_rows in rows.items()},
        facts={**asdict(verdict), "uri": uri, "tag": training["facts"]["data"], "champion": champion},
    )


def _model_row(args: argparse.Namespace, verdict: Verdict) -> Row:
    facts = args.training["facts"]
    return {
        "model_sha256": args.training["content"]["model"],
        "uri": args.training["outputs"]["model"],
        "created_at": model_registry.now(),
        "data_tag": facts["data"],
        "data_commit": args.data_commit,
        "seed": facts["seed"],
        "parameters": json.dumps(facts["parameters"], sort_keys=True),
        "metrics": json.dumps(facts["metrics"], sort_keys=True),
        "trials": json.dumps(facts["trials"], sort_keys=True),
        "code_versions": json.dumps(facts["versions"], sort_keys=True),
        "run": args.run,
        "passed": verdict.passed,
        "verdict": json.dumps(_verdict_fields(verdict), sort_keys=True),
    }


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """What `ml.models` holds of a verdict; `champion_unreadable` only if there is a reason."""
    verdict_fields: dict[str, Any] = {"reasons": verdict.reasons, "numbers": verdict.numbers}
    if verdict.champion_unreadable:
        verdict_fields["champion_unreadable"] = verdict.champion_unreadable
    return verdict_fields


def _evaluation_rows(settings: Settings, args: argparse.Namespace, verdict: Verdict) -> Iterator[Row]:
    """One row per method, slice and metric; none if the evaluation cannot be read, which is then a reason of the verdict."""
    try:
        evaluation = Evaluation.from_bytes(read_bytes(args.training["outputs"]["evaluation"], settings))
    except (EvaluationError, OSError):
        return
    for method, metrics in evaluation.values.items():
        for metric, values in metrics.items():
            for slice_name, selected in evaluation.all_slices().items():
                yield {
                    "model_sha256": args.training["content"]["model"],
                    "rival": method,
                    "part": slice_name,
                    "metric": metric,
                    "value": _mean_percent(values[selected]),
                    "lower_bound_of_gain": None if method == CANDIDATE else verdict.numbers.get(f"{slice_name}_{metric}_over_{method}"),
                    "queries": int(selected.sum()),
                    "run": args.run,
                }


def _mean_percent(values: Floats) -> float | None:
    """The mean in percent; None if there are no values or one of them is NaN."""
    mean = float(values.mean()) if values.size else math.nan
    return None if math.isnan(mean) else 100 * mean


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
