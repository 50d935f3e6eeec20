"""The gate passes a candidate that is good enough and refuses everything else with a reason."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ray_apps.jobs import register
from ray_apps.jobs.gate import ANY_DATA, Rules, Verdict, judge
from ray_apps.recommender.evaluation import Evaluation, EvaluationError, slices_of
from ray_apps.recommender.sessions import Floats, Queries

QUERIES = 600
DATA = {"sessions": 1000.0, "items": 90.0, "champion_sessions": 1000.0, "champion_items": 100.0, "coverage": 0.9}
Change = Callable[[Evaluation], Evaluation]


def evaluation(candidate: float = 0.5, champion: float = 0.5, covisitation: float = 0.4) -> Evaluation:
    """An evaluation in which the methods hit these shares of the queries."""
    chances = np.random.default_rng(1).random(QUERIES)

    def values(share: float) -> dict[str, Floats]:
        return {"hr20": (chances < share).astype(float), "mrr20": (chances < share) / 2}

    slices = {"one_view": np.arange(QUERIES) % 3 == 0}
    methods = {
        "candidate": values(candidate),
        "popularity": values(0.02),
        "covisitation": values(covisitation),
        "champion": values(champion),
    }
    return Evaluation("new", "old", np.arange(QUERIES) // 2, methods, slices, data=DATA)


def changed(original: Evaluation, method: str, metric: str, change: Callable[[Floats], object]) -> Evaluation:
    """The evaluation with other values of one metric of one method."""
    values = {name: dict(metrics) for name, metrics in original.values.items()}
    values[method][metric] = np.asarray(change(values[method][metric].copy()))
    return replace(original, values=values)


def without(original: Evaluation, method: str) -> Evaluation:
    """The evaluation without one method."""
    return replace(original, values={name: metrics for name, metrics in original.values.items() if name != method})


def with_nan(values: Floats) -> object:
    values[7] = np.nan
    return values


def test_an_equal_model_passes_and_the_first_model_needs_no_champion() -> None:
    verdict = judge(evaluation(), "new", "old", Rules())
    assert (verdict.passed, verdict.reasons) == (True, [])
    assert verdict.numbers["candidate_hr20"] == pytest.approx(50, abs=5)
    assert verdict.numbers["all_hr20_over_champion"] == 0
    first = replace(without(evaluation(), "champion"), champion="")
    assert judge(first, "new", "", Rules()).passed


def test_a_champion_that_cannot_be_built_leaves_the_rules_of_a_first_model_and_its_reason() -> None:
    first = replace(without(evaluation(), "champion"), champion="")
    unreadable = replace(first, champion="old", champion_unreadable="artefact format 1")
    verdict = judge(Evaluation.from_bytes(unreadable.to_bytes()), "new", "old", Rules())
    assert verdict == replace(judge(first, "new", "", Rules()), champion_unreadable="artefact format 1")
    assert verdict.passed


@pytest.mark.parametrize(("candidate", "champion", "reason"), [(0.02, "old", "over popularity"), (0.5, "newer", "not with newer")])
def test_a_champion_that_cannot_be_built_excuses_neither_a_bad_candidate_nor_another_champion(
    candidate: float, champion: str, reason: str
) -> None:
    unreadable = replace(without(evaluation(candidate), "champion"), champion_unreadable="artefact format 1")
    verdict = judge(unreadable, "new", champion, Rules())
    assert (verdict.passed, verdict.champion_unreadable) == (False, "artefact format 1")
    assert reason in " ".join(verdict.reasons)


def test_the_registered_verdict_holds_the_reason_why_the_champion_was_not_compared() -> None:
    verdict = Verdict(True, "new", [], {"queries": 600.0}, "artefact format 1")
    compared = {"reasons": [], "numbers": {"queries": 600.0}}
    assert register._verdict_fields(verdict) == compared | {"champion_unreadable": "artefact format 1"}
    assert register._verdict_fields(replace(verdict, champion_unreadable="")) == compared


REFUSED: dict[str, tuple[Change, str]] = {
    "worse": (lambda original: evaluation(candidate=0.45), "over champion"),
    "popularity": (lambda original: evaluation(candidate=0.02, champion=0.01), "over popularity"),
    "worse than co-visitation": (
        lambda original: evaluation(candidate=0.5, covisitation=0.6),
        "hr20 on all: lower bound of the loss to covisitation is +",
    ),
    "below the floor": (
        lambda original: evaluation(candidate=0.045, champion=0.045, covisitation=0.03),
        "hr20 on all is 3.83 %: at least 5.00 % is needed",
    ),
    "lost sessions": (
        lambda original: replace(original, data=DATA | {"sessions": 250.0}),
        "the candidate has 250 sessions, the champion 1000: at least 50% are needed; if that is right, trigger clickstream_train with",
    ),
    "lost items": (lambda original: replace(original, data=DATA | {"items": 40.0}), "the candidate has 40 items, the champion 100"),
    "other ids": (lambda original: replace(original, data=DATA | {"coverage": 0.0}), "knows 0% of the champion's most viewed items"),
    "sizes unknown": (lambda original: replace(original, data={}), "the candidate has 0 sessions, the champion 0"),
    "nan sizes": (lambda original: replace(original, data=DATA | {"coverage": np.nan}), "of the champion's most viewed items"),
    "nan": (lambda original: changed(original, "candidate", "mrr20", with_nan), "not between 0 and 1"),
    "nan of the champion": (lambda original: changed(original, "champion", "hr20", with_nan), "not between 0 and 1"),
    "percent": (lambda original: changed(original, "candidate", "hr20", lambda values: values * 100), "not between 0 and 1"),
    "too short": (lambda original: changed(original, "candidate", "hr20", lambda values: values[1:]), "599 values"),
    "no metric": (
        lambda original: replace(original, values=original.values | {"candidate": {"hr20": np.ones(QUERIES)}}),
        "candidate has no mrr20",
    ),
    "no popularity": (
        lambda original: replace(original, values={"candidate": original.values["candidate"]}),
        "popularity has no hr20",
    ),
    "no champion": (lambda original: without(original, "champion"), "champion has no"),
    "empty": (lambda original: replace(original, groups=np.zeros(0, int), values={}, slices={}), "0 queries are too few"),
    "empty slice": (lambda original: replace(original, slices={"none": np.zeros(QUERIES, bool)}), "slice none has 0"),
    "short slice": (lambda original: replace(original, slices={"some": np.ones(40, bool)}), "slice some"),
    "other model": (lambda original: replace(original, model="other"), "is of model other"),
    "other champion": (lambda original: replace(original, champion="older"), "compares with champion older"),
}


def test_less_data_passes_if_a_person_accepts_it() -> None:
    less = replace(evaluation(), data=DATA | {"sessions": 1.0, "coverage": 0.0})
    assert not judge(less, "new", "old", Rules()).passed
    assert judge(Evaluation.from_bytes(less.to_bytes()), "new", "old", ANY_DATA).passed


@pytest.mark.parametrize("case", REFUSED)
def test_a_candidate_that_is_worse_or_cannot_be_judged_is_refused_with_a_reason(case: str) -> None:
    change, reason = REFUSED[case]
    verdict = judge(change(evaluation()), "new", "old", Rules())
    assert not verdict.passed
    assert reason in " ".join(verdict.reasons)


def test_a_candidate_that_is_worse_on_a_slice_is_refused() -> None:
    original = evaluation()
    hits = original.values["candidate"]["hr20"] * ~original.slices["one_view"]
    # The other queries gain what the slice loses.
    hits[~original.slices["one_view"]] = 1.0
    verdict = judge(changed(original, "candidate", "hr20", lambda _: hits), "new", "old", Rules())
    assert {reason.split(":")[0] for reason in verdict.reasons} == {"hr20 on one_view"}


def test_a_model_without_a_sha256_is_refused() -> None:
    assert not judge(replace(evaluation(), model=""), "", "old", Rules()).passed


def test_slices_select_the_queries_that_their_names_say() -> None:
    views = np.array([4, 5, 6, 4, 9, 9], np.int32)
    queries = Queries(views, np.array([0, 0, 4]), np.array([1, 3, 6]), np.array([5, 4, 1], np.int32), np.arange(3))
    assert {name: selected.tolist() for name, selected in slices_of(queries).items()} == {
        "one_view": [True, False, False],
        "several_views": [False, True, True],
        "new_item": [True, False, True],
    }


def test_an_evaluation_is_read_as_it_was_written_and_damaged_bytes_are_refused() -> None:
    read = Evaluation.from_bytes(evaluation().to_bytes())
    assert judge(read, "new", "old", Rules()) == judge(evaluation(), "new", "old", Rules())
    for content in (b"", b"PK", evaluation().to_bytes()[:500]):
        with pytest.raises(EvaluationError):
            Evaluation.from_bytes(content)
