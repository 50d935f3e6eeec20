"""Decisions of the rollout steps: which pointer follows, what a retry does, and that a rollback is never undone."""

from typing import Any

import pytest

from clickstream_contracts.rollout_pointer import Pointer, in_order
from tools.rollout import steps
from tools.rollout.steps import RolloutError, Step

OLD, NEW, REFUSED = "a" * 64, "b" * 64, "c" * 64
R1 = Pointer("r1", OLD, data_tag="features_1")
NAME = "release_2026-01-02_bbbbbbbb"
MODELS = {sha: {"passed": sha != REFUSED, "verdict": "worse", "data_tag": "features_1"} for sha in (OLD, NEW, REFUSED)}


class Rows:
    """Rows of serving.rollout in memory."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def take(self, action: str, run: str, **options: Any) -> Pointer:
        """Take a step as the tool does. Returns the pointer."""
        step = Step(action, run, **options)
        pointer = steps.next_pointer(step, self.rows, MODELS.__getitem__)
        if not steps.is_done(step, self.rows, pointer):
            self.rows.append({**vars(pointer), "action": action, "run": run, "number": len(self.rows) + 1, "at": len(self.rows)})
        return pointer

    @property
    def actions(self) -> list[str]:
        return [row["action"] for row in self.rows]


@pytest.fixture
def rows() -> Rows:
    """A shop that serves the release r1."""
    rows = Rows()
    rows.take("start", "first", release="r1", candidate=OLD)
    rows.take("finish", "first")
    return rows


def start(rows: Rows, run: str = "run") -> Pointer:
    return rows.take("start", run, release=NAME, candidate=NEW, rule_version="1")


def test_a_rollout_widens_the_share_and_promotes_the_candidate(rows: Rows) -> None:
    assert start(rows) == Pointer(NAME, OLD, NEW, 1, "features_1", "1")
    assert rows.take("step", "run", share=50).share == 50
    assert rows.take("finish", "run") == Pointer(NAME, NEW, "", 0, "features_1", "1")


def test_a_retry_of_any_step_adds_no_row(rows: Rows) -> None:
    taken: list[tuple[str, dict[str, Any]]] = [("start", {"release": NAME, "candidate": NEW}), ("step", {"share": 50}), ("back", {})]
    for action, options in taken:
        first = rows.take(action, "run", **options)
        count = len(rows.rows)
        assert rows.take(action, "run", **options) == first
        assert len(rows.rows) == count, action


def test_taking_back_restores_the_stable_model_and_does_nothing_after_the_promotion(rows: Rows) -> None:
    start(rows)
    assert rows.take("back", "run") == R1
    start(rows, "run2")
    promoted = rows.take("finish", "run2")
    assert rows.take("back", "run2") == promoted
    assert rows.take("back", "a run that started nothing") == promoted
    assert rows.actions[-1] == "finish"


def test_taking_back_does_not_touch_the_candidate_of_another_run(rows: Rows) -> None:
    start(rows)
    rows.take("back", "run")
    current = rows.take("start", "run2", release="r2", candidate=NEW)
    assert rows.take("back", "run") == current
    assert rows.actions[-1] == "start"


@pytest.mark.parametrize(("action", "options"), [("step", {"share": 50}), ("finish", {}), ("start", {"release": NAME, "candidate": NEW})])
def test_a_rollback_ends_the_rollout_also_for_a_step_that_comes_late(rows: Rows, action: str, options: dict[str, Any]) -> None:
    start(rows)
    restored = rows.take("rollback", "operator", release="r1")
    assert restored == R1
    with pytest.raises(RolloutError, match=r"not being rolled out|a rollback ended the rollout"):
        rows.take(action, "run", **options)
    assert rows.take("back", "run") == restored
    assert rows.actions[-1] == "rollback"


def test_a_rollback_that_is_committed_during_a_step_refuses_the_step(rows: Rows) -> None:
    count = len(rows.rows)
    rows.take("rollback", "operator", release="r1")
    with pytest.raises(RolloutError, match=r"a rollback to r1 was made while this step \(start\) was in progress"):
        steps.check_no_rollback_since(Step("start", "run"), rows.rows, count)
    steps.check_no_rollback_since(Step("rollback", "run"), rows.rows, count)


def test_a_model_can_be_rolled_out_twice_on_one_day(rows: Rows) -> None:
    names = []
    for run in ("noon", "two", "three"):
        names.append(start(rows, run).release)
        assert rows.take("finish", run).release == names[-1]
        rows.take("rollback", f"after {run}", release="r1")
    assert names == [NAME, f"{NAME}_2", f"{NAME}_3"]


def test_a_cleared_run_starts_its_candidate_again_under_the_same_name(rows: Rows) -> None:
    assert [start(rows).release, rows.take("back", "run").release, start(rows).release] == [NAME, "r1", NAME]


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        ("start", {"release": "r9", "candidate": REFUSED}, "the gate refused model cccccccccccc: worse"),
        ("start", {"release": "r9"}, "needs --release and --candidate"),
        ("start", {"release": "r9", "candidate": NEW, "share": 0}, "--share 0 is out of range"),
        ("step", {"release": "r9", "share": 50}, "r9 is not being rolled out: the current release is r1"),
        ("finish", {}, "no release of this run is not being rolled out"),
        ("rollback", {"release": "r9"}, "'r9' was never released; releases are r1"),
    ],
)
def test_an_impossible_step_says_why(rows: Rows, action: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        rows.take(action, "run", **options)


def test_two_candidates_at_once_are_refused(rows: Rows) -> None:
    start(rows)
    with pytest.raises(RolloutError, match=f"{NAME} is being rolled out"):
        rows.take("start", "run2", release="r2", candidate=NEW)


def test_the_order_of_steps_is_that_of_their_commits_not_of_the_clocks_of_their_hosts() -> None:
    early_clock = {"release": "rolled back to", "number": 8, "at": 1}
    unnumbered = {"release": "old", "number": None, "at": 99}
    assert in_order([early_clock, {"release": "new", "number": 7, "at": 9}, unnumbered])[-1] is early_clock
