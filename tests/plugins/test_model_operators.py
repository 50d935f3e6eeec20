"""The doors of training and rollout against a real Nessie: the data is pinned, a refused model goes no further, a release is tagged."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from clickstream.hooks.nessie import Ref
from clickstream.operators.model import OpenGate, PinData
from clickstream.operators.rollout import TagRollout
from tests.plugins.conftest import Lake

MODEL = Asset("a_model")
FACTS = {"model": "9f2c4e0b" * 8, "uri": "s3://lake/models/m", "passed": True, "tag": "features_1", "reasons": [], "numbers": {}}


@pytest.fixture
def event(context: Any) -> Any:
    """What is announced of an asset."""
    found = SimpleNamespace(extra=None, days=[])
    found.add_partitions = found.days.append
    context["outlet_events"] = {MODEL: found}
    return found


def test_the_data_is_pinned_by_its_tag_or_as_main_stands(context: Any, lake: Lake) -> None:
    head = lake.hook.head("main")
    lake.hook.tag("features_pinned", head)
    lake.write("main", "curated.users")
    assert PinData(task_id="p", tag="features_pinned", pinned="aa").execute(context) == {"ref": "features_pinned", "commit": head.hash}
    assert PinData(task_id="p", tag="", pinned=head.hash).execute(context) == {"ref": f"main@{head.hash}", "commit": head.hash}
    with pytest.raises(AirflowFailException, match="no tag features_gone"):
        PinData(task_id="p", tag="features_gone", pinned="aa").execute(context)


def gate(context: Any, **facts: Any) -> Any:
    release = {"day": "2026-01-02", "commit": "cc33"}
    return OpenGate(task_id="gate", registered={"facts": FACTS | facts}, release=release, asset=MODEL).execute(context)


def test_a_model_that_passed_is_announced_with_its_day(context: Any, event: Any) -> None:
    gate(context)
    assert event.extra == {"model_sha256": FACTS["model"], "uri": FACTS["uri"], "passed": True, "tag": "features_1", "commit": "cc33"}
    assert event.days == ["2026-01-02"]


def test_a_refused_model_ends_the_run_with_its_reasons_and_is_not_announced(context: Any, event: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"9f2c4e0b9f2c is refused, .*: hr20 on all: surely only -1\.20; slice x"):
        gate(context, passed=False, reasons=["hr20 on all: surely only -1.20", "slice x"])
    assert event.extra is None


def finished(context: Any, lake: Lake, release: str, message: str) -> str:
    pinned = lake.hook.head("main").hash
    lake.write("main", "serving.rollout")
    lake.write("main", "raw.clicks")
    facts = {"message": message, "release": release, "stable": "s", "data_tag": "d", "rule_version": "1"}
    return str(TagRollout(task_id="tag", finished={"facts": facts}, pinned=pinned, day="2026-01-02", asset=MODEL).execute(context))


def test_the_commit_that_finished_a_rollout_gets_the_tag_though_main_moved_on(context: Any, lake: Lake, event: Any) -> None:
    # The test's lake names its commits by their tables.
    assert finished(context, lake, "release_1", "write serving.rollout") == "release_1"
    tag = lake.hook.head("release_1")
    newest = [commit.hash for commit in lake.hook.history(lake.hook.head("main"), until=tag.hash)]
    assert newest.index(tag.hash) == 1
    assert event.extra == {"release": "release_1", "commit": tag.hash, "stable": "s", "data_tag": "d", "rule_version": "1"}
    assert lake.hook.tag("release_1", Ref("main", tag.hash)).hash == tag.hash


def test_without_its_commit_nothing_is_tagged(context: Any, lake: Lake, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="main holds no commit 'Rollout: finish of release_2'"):
        finished(context, lake, "release_2", "Rollout: finish of release_2")
    assert lake.hook.ref("release_2") is None
