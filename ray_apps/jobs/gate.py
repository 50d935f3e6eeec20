"""The evaluation gate: whether a candidate may replace the champion, the model in service.

It must be better than popularity, not surely worse than co-visitation, and not worse than the champion as that serves. It must reach
a fixed floor, which the champion of the day does not move, and its data must not be much less than the champion's.

All methods ranked the same queries. A comparison uses the lower bound of the paired difference, by the bootstrap over
sessions, on all queries and on each slice. A candidate that cannot be judged is refused: a missing metric, a NaN, an
empty slice, too few queries, or an evaluation of another model. If the training could not build the champion's model
(an artefact of another format), the candidate is judged like a first model, and the verdict holds the reason.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from clickstream_contracts.model_artefact import ArtefactError
from clickstream_contracts.settings import Settings, SettingsError
from ray_apps.common.cli import Parser
from ray_apps.common.storage import open_storage, read_bytes
from ray_apps.recommender import artefacts
from ray_apps.recommender.evaluation import CANDIDATE, CHAMPION, COVISITATION, POPULARITY, Evaluation, EvaluationError
from ray_apps.recommender.metrics import METRICS, lower_bound
from ray_apps.recommender.sessions import Bools

ACCEPT = "if that is right, trigger clickstream_train with accept_less_data"


@dataclass(frozen=True)
class Rules:
    """When a candidate passes. Differences are in percentage points, `least_hr20` is in percent.

    A slice has fewer queries and therefore more noise, so `loss_in_slice` is larger than `loss_to_champion`. Of the
    champion's sessions and items the candidate needs the share `least_data`, of its most viewed items `least_coverage`.
    """

    least_queries: int = 200
    least_in_slice: int = 30
    gain_on_popularity: float = 0.0
    loss_to_champion: float = 0.5
    loss_in_slice: float = 2.0
    least_hr20: float = 5.0
    least_data: float = 0.5
    least_coverage: float = 0.8
    level: float = 0.95
    seed: int = 7


# For data that is less on purpose, such as after an erasure or a shorter retention.
ANY_DATA = Rules(least_data=0.0, least_coverage=0.0)


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate passed, each reason against it as a sentence, and the numbers used, in percent.

    `champion_unreadable` says why the candidate was not compared with the champion; "" if it was, or if there is none.
    """

    passed: bool
    model: str
    reasons: list[str]
    numbers: dict[str, float]
    champion_unreadable: str = ""


def judge(evaluation: Evaluation, model: str, champion: str, rules: Rules) -> Verdict:
    """Whether `model` may replace `champion` ("" if there is none yet). Both are sha256."""
    baselines = _baselines(evaluation, champion)
    reasons = [*_wrong_models(evaluation, model, champion), *_invalid_values(evaluation, baselines, rules)]
    if CHAMPION in baselines or "champion_sessions" in evaluation.data:
        reasons += _lost_data(evaluation.data, rules)
    if reasons:
        return Verdict(False, model, reasons, {}, evaluation.champion_unreadable)
    numbers: dict[str, float] = {"queries": len(evaluation.groups), **evaluation.data}
    for method, metrics in evaluation.values.items():
        numbers |= {f"{method}_{metric}": round(100 * float(values.mean()), 2) for metric, values in metrics.items()}
    for name, selected in evaluation.all_slices().items():
        for baseline in baselines:
            bounds = _bounds(evaluation, baseline, selected, rules)
            numbers |= {f"{name}_{metric}_over_{baseline}": round(bound, 2) for metric, bound in bounds.items()}
            if baseline != COVISITATION:
                reasons += _losses(bounds, name, baseline, rules)
    reasons += [*_below_covisitation(evaluation, rules), *_below_floor(numbers, rules)]
    return Verdict(not reasons, model, reasons, numbers, evaluation.champion_unreadable)


def _baselines(evaluation: Evaluation, champion: str) -> list[str]:
    """The methods that the candidate is compared with."""
    if champion and not evaluation.champion_unreadable:
        return [POPULARITY, COVISITATION, CHAMPION]
    return [POPULARITY, COVISITATION]


def _wrong_models(evaluation: Evaluation, model: str, champion: str) -> Iterator[str]:
    """Reasons if the evaluation is not of these two models."""
    if not model or evaluation.model != model:
        yield f"the evaluation is of model {evaluation.model[:12] or 'none'}, not of {model[:12] or 'none'}"
    if evaluation.champion != champion:
        yield f"the evaluation compares with champion {evaluation.champion[:12] or 'none'}, not with {champion[:12] or 'none'}"


def _invalid_values(evaluation: Evaluation, baselines: list[str], rules: Rules) -> Iterator[str]:
    """Reasons if values are missing, too few or out of range."""
    count = len(evaluation.groups)
    if count < rules.least_queries:
        yield f"{count} queries are too few to judge: {rules.least_queries} are needed"
    for method in (CANDIDATE, *baselines):
        for metric in METRICS:
            values = evaluation.values.get(method, {}).get(metric)
            if values is None:
                yield f"{method} has no {metric}"
            elif values.shape != (count,):
                yield f"{method} has {values.size} values of {metric} for {count} queries"
            elif not ((values >= 0) & (values <= 1)).all():
                yield f"{method} has values of {metric} that are not between 0 and 1"
    for name, selected in evaluation.slices.items():
        if selected.shape != (count,) or selected.sum() < rules.least_in_slice:
            yield f"slice {name} has {selected.sum()} queries: {rules.least_in_slice} are needed"


def _lost_data(data: dict[str, float], rules: Rules) -> Iterator[str]:
    """Reasons if the candidate was trained on much less than the champion: part of the data is missing, or all ids changed."""
    for name in ("sessions", "items"):
        own, champions = data.get(name, 0), data.get(f"champion_{name}", 0)
        if not own >= rules.least_data * champions or not champions:
            yield f"the candidate has {own:.0f} {name}, the champion {champions:.0f}: at least {rules.least_data:.0%} are needed; {ACCEPT}"
    covered = data.get("coverage", 0)
    if not covered >= rules.least_coverage:
        yield f"the candidate knows {covered:.0%} of the champion's most viewed items: {rules.least_coverage:.0%} are needed; {ACCEPT}"


def _below_covisitation(evaluation: Evaluation, rules: Rules) -> Iterator[str]:
    """Reasons if the candidate is surely worse than its own co-visitation: then the ranker makes the lists worse."""
    for metric in METRICS:
        loss = evaluation.values[COVISITATION][metric] - evaluation.values[CANDIDATE][metric]
        bound = 100 * lower_bound(loss, evaluation.groups, rules.seed, level=rules.level)
        if bound > 0:
            yield f"{metric} on all: lower bound of the loss to {COVISITATION} is {bound:+.2f}"


def _below_floor(numbers: dict[str, float], rules: Rules) -> Iterator[str]:
    """A reason if the candidate misses the fixed floor."""
    reached = numbers[f"{CANDIDATE}_hr20"]
    if not reached >= rules.least_hr20:
        yield f"hr20 on all is {reached:.2f} %: at least {rules.least_hr20:.2f} % is needed"


def _bounds(evaluation: Evaluation, baseline: str, selected: Bools, rules: Rules) -> dict[str, float]:
    """For each metric the lower bound of the candidate's gain over the baseline on the selected queries, in percentage points."""
    bounds = {}
    for metric in METRICS:
        difference = (evaluation.values[CANDIDATE][metric] - evaluation.values[baseline][metric])[selected]
        bounds[metric] = 100 * lower_bound(difference, evaluation.groups[selected], rules.seed, level=rules.level)
    return bounds


def _losses(bounds: dict[str, float], slice_name: str, baseline: str, rules: Rules) -> Iterator[str]:
    """Reasons if a gain is below what the rules ask for."""
    if baseline == POPULARITY:
        needed = rules.gain_on_popularity
    elif slice_name == "all":
        needed = -rules.loss_to_champion
    else:
        needed = -rules.loss_in_slice
    for metric, bound in bounds.items():
        # The comparison with NaN is false, so NaN is refused.
        if not bound > needed:
            yield f"{metric} on {slice_name}: lower bound of the gain over {baseline} is {bound:+.2f}, more than {needed:+.2f} is needed"


def main(argv: list[str]) -> int:
    """Judge a stored model and print the verdict. Returns 0 if it passes, 1 if not, 2 if a setting is missing or wrong."""
    args = _parser().parse_args(argv)
    try:
        settings = Settings.from_env()
        verdict = judge_stored(settings, args.model, args.evaluation, args.sha256, args.champion, Rules())
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(verdict), indent=1))
    return 0 if verdict.passed else 1


def judge_stored(settings: Settings, model: str, evaluation: str, sha256: str, champion: str, rules: Rules) -> Verdict:
    """Whether a stored model may replace `champion`; one that cannot be read is refused."""
    try:
        artefacts.read(*open_storage(model, settings), sha256)
        stored = Evaluation.from_bytes(read_bytes(evaluation, settings))
    except (ArtefactError, EvaluationError, OSError) as error:
        return Verdict(False, sha256, [str(error)], {})
    return judge(stored, sha256, champion, rules)


def _parser() -> Parser:
    parser = Parser("jobs.gate", __doc__)
    parser.add_argument("--model", required=True, help="the candidate's folder: s3://, file:// or a path")
    parser.add_argument("--sha256", required=True, help="the candidate's sha256, as its training reported it")
    parser.add_argument("--evaluation", required=True, help="the evaluation that the training wrote: s3://, file:// or a path")
    parser.add_argument("--champion", default="", help="sha256 of the model in service; empty if there is none")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
