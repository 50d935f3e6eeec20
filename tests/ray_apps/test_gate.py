"""The gate lets a better model through and, whatever is wrong with what it is shown, nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ray_apps.jobs.gate import Rules, judge
from ray_apps.recommender.evaluation import Evaluation, EvaluationError, slices
from ray_apps.recommender.sessions import Floats, Queries

QUERIES = 600
Change = Callable[[Evaluation], Evaluation]


def evaluation(candidate: float = 0.5, champion: float = 0.5) -> Evaluation:
    """An evaluation in which each rival hits this share of the queries."""
    chances = np.random.default_rng(1).random(QUERIES)

    def values(share: float) -> dict[str, Floats]:
        return {"hr20": (chances < share).astype(float), "mrr20": (chances < share) / 2}

    slices = {"one_view": np.arange(QUERIES) % 3 == 0}
    rivals = {"candidate": values(candidate), "popularity": values(0.02), "champion": values(champion)}
    return Evaluation("new", "old", np.arange(QUERIES) // 2, rivals, slices)


def changed(found: Evaluation, rival: str, name: str, change: Callable[[Floats], object]) -> Evaluation:
    values = {one: dict(known) for one, known in found.values.items()}
    values[rival][name] = np.asarray(change(values[rival][name].copy()))
    return replace(found, values=values)


def with_nan(values: Floats) -> object:
    values[7] = np.nan
    return values


def test_an_equal_model_passes_and_a_first_one_needs_no_champion() -> None:
    verdict = judge(evaluation(), "new", "old", Rules())
    assert (verdict.passed, verdict.reasons) == (True, [])
    assert verdict.numbers["candidate_hr20"] == pytest.approx(50, abs=5)
    assert verdict.numbers["all_hr20_over_champion"] == 0
    first = replace(evaluation(), champion="", values={k: v for k, v in evaluation().values.items() if k != "champion"})
    assert judge(first, "new", "", Rules()).passed


BROKEN: dict[str, tuple[Change, str]] = {
    "worse": (lambda found: evaluation(candidate=0.45), "over champion"),
    "popularity": (lambda found: evaluation(candidate=0.02, champion=0.01), "over popularity"),
    "nan": (lambda found: changed(found, "candidate", "mrr20", with_nan), "no shares of 1"),
    "nan of the champion": (lambda found: changed(found, "champion", "hr20", with_nan), "no shares of 1"),
    "percent": (lambda found: changed(found, "candidate", "hr20", lambda values: values * 100), "no shares of 1"),
    "too short": (lambda found: changed(found, "candidate", "hr20", lambda values: values[1:]), "599 values"),
    "no metric": (lambda found: replace(found, values=found.values | {"candidate": {"hr20": np.ones(QUERIES)}}), "candidate has no mrr20"),
    "no popularity": (lambda found: replace(found, values={"candidate": found.values["candidate"]}), "popularity has no hr20"),
    "no champion": (lambda found: replace(found, values={k: v for k, v in found.values.items() if k != "champion"}), "champion has no"),
    "empty": (lambda found: replace(found, groups=np.zeros(0, int), values={}, slices={}), "0 queries are too few"),
    "empty slice": (lambda found: replace(found, slices={"none": np.zeros(QUERIES, bool)}), "slice none holds 0"),
    "short slice": (lambda found: replace(found, slices={"some": np.ones(40, bool)}), "slice some"),
    "other model": (lambda found: replace(found, model="other"), "is of model other"),
    "other champion": (lambda found: replace(found, champion="older"), "compares with champion older"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_everything_else_is_refused_with_a_reason(case: str) -> None:
    change, words = BROKEN[case]
    verdict = judge(change(evaluation()), "new", "old", Rules())
    assert not verdict.passed
    assert words in " ".join(verdict.reasons)


def test_a_slice_that_suffers_is_refused() -> None:
    found = evaluation()
    hits = found.values["candidate"]["hr20"] * ~found.slices["one_view"]
    # The rest gains what the slice loses.
    hits[~found.slices["one_view"]] = 1.0
    verdict = judge(changed(found, "candidate", "hr20", lambda _: hits), "new", "old", Rules())
    assert {reason.split(":")[0] for reason in verdict.reasons} == {"hr20 on one_view"}


def test_a_model_without_a_name_is_refused() -> None:
    assert not judge(replace(evaluation(), model=""), "", "old", Rules()).passed


def test_slices_are_what_they_are_called() -> None:
    views = np.array([4, 5, 6, 4, 9, 9], np.int32)
    queries = Queries(views, np.array([0, 0, 4]), np.array([1, 3, 6]), np.array([5, 4, 1], np.int32), np.arange(3))
    assert {name: chosen.tolist() for name, chosen in slices(queries).items()} == {
        "one_view": [True, False, False],
        "several_views": [False, True, True],
        "new_item": [True, False, True],
    }


def test_an_evaluation_survives_its_file_and_bytes_that_are_none_are_named() -> None:
    found = Evaluation.from_bytes(evaluation().to_bytes())
    assert judge(found, "new", "old", Rules()) == judge(evaluation(), "new", "old", Rules())
    for content in (b"", b"PK", evaluation().to_bytes()[:500]):
        with pytest.raises(EvaluationError):
            Evaluation.from_bytes(content)
