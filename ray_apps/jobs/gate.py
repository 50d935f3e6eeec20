"""The evaluation gate: a candidate goes on only if it surely beats popularity and is surely no worse than the champion.

All were asked the same queries. "Surely" is the lower bound of the paired difference, by the bootstrap over sessions, on
all queries and on each slice. What cannot be judged is refused: a missing metric, a NaN, an empty slice, too few queries,
another model than the one that was evaluated.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from clickstream_contracts.settings import Settings, SettingsError
from ray_apps.common.cli import Parser
from ray_apps.common.storage import open_place, read_bytes
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import ArtefactError
from ray_apps.recommender.evaluation import CANDIDATE, CHAMPION, POPULARITY, Evaluation, EvaluationError
from ray_apps.recommender.metrics import METRICS, lower_bound
from ray_apps.recommender.sessions import Bools


@dataclass(frozen=True)
class Rules:
    """When a candidate goes on. Differences are in points of 100; a slice is smaller, so it may lose more to noise."""

    least_queries: int = 200
    least_in_slice: int = 30
    gain_on_popularity: float = 0.0
    loss_to_champion: float = 0.5
    loss_in_slice: float = 2.0
    level: float = 0.95
    seed: int = 7


@dataclass(frozen=True)
class Verdict:
    """The answer, every reason against the candidate in words, and the numbers behind them, in percent."""

    passed: bool
    model: str
    reasons: list[str]
    numbers: dict[str, float]


def judge(evaluation: Evaluation, model: str, champion: str, rules: Rules) -> Verdict:
    """Whether `model` may take the place of `champion` ("" if there is none yet). Both are sha256."""
    reasons = [*_strangers(evaluation, model, champion), *_holes(evaluation, champion, rules)]
    if reasons:
        return Verdict(False, model, reasons, {})
    numbers: dict[str, float] = {"queries": len(evaluation.groups)}
    for rival, values in evaluation.values.items():
        numbers |= {f"{rival}_{name}": round(100 * float(one.mean()), 2) for name, one in values.items()}
    parts = {"all": np.ones(len(evaluation.groups), bool), **evaluation.slices}
    for name, chosen in parts.items():
        reasons += _losses(evaluation, name, chosen, bool(champion), rules, numbers)
    return Verdict(not reasons, model, reasons, numbers)


def _strangers(evaluation: Evaluation, model: str, champion: str) -> Iterator[str]:
    """Is it about these two at all?"""
    if not model or evaluation.model != model:
        yield f"the evaluation is of model {evaluation.model[:12] or 'none'}, not of {model[:12] or 'none'}"
    if evaluation.champion != champion:
        yield f"the evaluation compares with champion {evaluation.champion[:12] or 'none'}, not with {champion[:12] or 'none'}"


def _holes(evaluation: Evaluation, champion: str, rules: Rules) -> Iterator[str]:
    """What is missing or is no number."""
    count = len(evaluation.groups)
    if count < rules.least_queries:
        yield f"{count} queries are too few to judge: {rules.least_queries} are needed"
    for rival in (CANDIDATE, POPULARITY, *([CHAMPION] if champion else [])):
        for name in METRICS:
            values = evaluation.values.get(rival, {}).get(name)
            if values is None:
                yield f"{rival} has no {name}"
            elif values.shape != (count,):
                yield f"{rival} has {values.size} values of {name} for {count} queries"
            elif not ((values >= 0) & (values <= 1)).all():
                yield f"{rival}'s {name} holds values that are no shares of 1"
    for name, chosen in evaluation.slices.items():
        if chosen.shape != (count,) or chosen.sum() < rules.least_in_slice:
            yield f"slice {name} holds {chosen.sum()} queries: {rules.least_in_slice} are needed"


def _losses(evaluation: Evaluation, part: str, chosen: Bools, champion: bool, rules: Rules, numbers: dict[str, float]) -> Iterator[str]:
    """Where the candidate is not surely good enough; the bounds go to `numbers`."""
    allowed = rules.loss_to_champion if part == "all" else rules.loss_in_slice
    for rival, bar in ((POPULARITY, rules.gain_on_popularity), *([(CHAMPION, -allowed)] if champion else [])):
        for name in METRICS:
            difference = (evaluation.values[CANDIDATE][name] - evaluation.values[rival][name])[chosen]
            bound = 100 * lower_bound(difference, evaluation.groups[chosen], rules.seed, level=rules.level)
            numbers[f"{part}_{name}_over_{rival}"] = round(bound, 2)
            # A NaN is not greater than anything.
            if not bound > bar:
                yield f"{name} on {part}: surely only {bound:+.2f} over {rival}, more than {bar:+.2f} is needed"


def main(argv: list[str]) -> int:
    """Judge a stored model and print the verdict. Returns 0 if it passes, 1 if not, 2 if the command line is wrong."""
    args = _parser().parse_args(argv)
    try:
        settings = Settings.from_env()
        verdict = judge_stored(settings, args.model, args.evaluation, args.sha256, args.champion)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(verdict), indent=1))
    return 0 if verdict.passed else 1


def judge_stored(settings: Settings, model: str, evaluation: str, sha256: str, champion: str) -> Verdict:
    """Whether a stored model may take the place of `champion`; one that cannot be read may not."""
    try:
        artefacts.read(*open_place(model, settings), sha256)
        found = Evaluation.from_bytes(read_bytes(evaluation, settings))
    except (ArtefactError, EvaluationError, OSError) as error:
        return Verdict(False, sha256, [str(error)], {})
    return judge(found, sha256, champion, Rules())


def _parser() -> Parser:
    parser = Parser("jobs.gate", __doc__)
    parser.add_argument("--model", required=True, help="the candidate's folder: s3://, file:// or a path")
    parser.add_argument("--sha256", required=True, help="the candidate's sha256, as its training reported it")
    parser.add_argument("--evaluation", required=True, help="the evaluation that the training wrote: s3://, file:// or a path")
    parser.add_argument("--champion", default="", help="sha256 of the model in service; empty if there is none")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
