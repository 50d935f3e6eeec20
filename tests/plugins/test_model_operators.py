"""Operators of training and rollout against a real Nessie: data is pinned, a refused model is not announced, a rollout is tagged."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.hooks.nessie import Ref
from clickstream.operators.model import GateOperator, PinDataOperator
from clickstream.operators.nessie import TagReleaseOperator
from tests.plugins.conftest import Lake

MODEL_ASSET = Asset("a_model")
FACTS = {"model": "9f2c4e0b" * 8, "uri": "s3://lake/models/m", "passed": True, "tag": "features_1", "reasons": [], "numbers": {}}


@pytest.fixture
def event(context: Any) -> Any:
    """The event of the asset, with the partition keys that were added."""
    recorded = SimpleNamespace(extra=None, days=[])
    recorded.add_partitions = recorded.days.append
    context["outlet_events"] = {MODEL_ASSET: recorded}
    return recorded


def test_the_data_is_pinned_by_its_tag_or_by_the_pinned_main(context: Any, lake: Lake) -> None:
    head = lake.hook.head("main")
    lake.hook.tag("features_pinned", head)
    lake.write("main", "curated.users")

    def pin(tag: str, pinned: str) -> Any:
        return PinDataOperator(task_id="pin_data", tag=tag, pinned=pinned).execute(context)

    assert pin("features_pinned", "aa") == {"ref": f"features_pinned@{head.hash}", "commit": head.hash}
    assert pin("", head.hash) == {"ref": f"main@{head.hash}", "commit": head.hash}
    with pytest.raises(AirflowFailException, match="no tag features_gone"):
        pin("features_gone", "aa")
    with pytest.raises(AirflowFailException, match="main is a branch, whose data may change: name a tag"):
        pin("main", "aa")


def run_gate(context: Any, **facts: Any) -> Any:
    release = {"day": "2026-01-02", "commit": "cc33"}
    return GateOperator(task_id="gate", registered={"facts": FACTS | facts}, release=release, asset=MODEL_ASSET).execute(context)


def test_a_model_that_passed_is_announced_with_its_day(context: Any, event: Any) -> None:
    run_gate(context)
    assert event.extra == {"model_sha256": FACTS["model"], "uri": FACTS["uri"], "passed": True, "tag": "features_1", "commit": "cc33"}
    assert event.days == ["2026-01-02"]


def test_a_refused_model_is_skipped_with_its_reasons_and_not_announced(context: Any, event: Any) -> None:
    with pytest.raises(AirflowSkipException, match=r"the gate refused model 9f2c4e0b9f2c; .*: hr20 on all: surely only -1\.20; slice x"):
        run_gate(context, passed=False, reasons=["hr20 on all: surely only -1.20", "slice x"])
    assert event.extra is None


def tag_rollout(context: Any, lake: Lake, release: str, commit_message: str) -> str:
    """Tags the commit of a rollout to which main got one more commit."""
    pinned = lake.hook.head("main").hash
    lake.write("main", "serving.rollout")
    lake.write("main", "raw.clicks")
    task = TagReleaseOperator(
        task_id="tag",
        tag=release,
        commit_message=commit_message,
        pinned=pinned,
        day="2026-01-02",
        asset=MODEL_ASSET,
        release={"release": release, "stable": "s", "data_tag": "d", "rule_version": "1"},
    )
    return str(task.execute(context))


def test_the_commit_that_finished_a_rollout_is_tagged_after_other_commits_to_main(context: Any, lake: Lake, event: Any) -> None:
    # The message that Lake.write gives its commit.
    assert tag_rollout(context, lake, "release_1", "write serving.rollout") == "release_1"
    tag = lake.hook.head("release_1")
    newest = [commit.hash for commit in lake.hook.history(lake.hook.head("main"), until=tag.hash)]
    assert newest.index(tag.hash) == 1
    facts = {"release": "release_1", "stable": "s", "data_tag": "d", "rule_version": "1"}
    assert event.extra == {**facts, "commit": tag.hash, "tag": "release_1"}
    assert event.days == ["2026-01-02"]
    assert lake.hook.tag("release_1", Ref("main", tag.hash)).hash == tag.hash


def test_without_its_commit_a_rollout_is_not_tagged(context: Any, lake: Lake, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="main has no commit with the message 'Rollout: finish of release_2'"):
        tag_rollout(context, lake, "release_2", "Rollout: finish of release_2")
    assert lake.hook.ref("release_2") is None
