"""From published tables to a list in a shop: features, training, gate, rollout, and what stands behind an answer."""

import json
from typing import Any

import pytest

from clickstream_contracts import names
from tests.shop_day import Shop, eventually
from tools.demo.dag_runs import ReleaseChain

# Part of `make faults`: a night, the features, a training and a rollout take a quarter of an hour on two cores.
pytestmark = pytest.mark.long

DAY = "2026-05-04"
# Enough visits for the gate to judge by.
VISITS = ("history", "--days", "1", "--events", "30000", "--until", DAY, "--seed", "21", "--users", "4000", "--products", "1000")


@pytest.fixture(scope="module")
def model(shop: Shop) -> dict[str, Any]:
    """A night is published, which starts the features, which start the training, which starts the rollout."""
    shop.run("tools.shop", *VISITS)
    chain = ReleaseChain(shop.airflow)
    shop.nightly(DAY)
    for dag_id in (names.FEATURES, names.TRAIN, names.ROLLOUT):
        chain.follow(dag_id)
    return chain.model()


def test_a_release_is_one_model_one_commit_and_one_tag(shop: Shop, model: dict[str, Any]) -> None:
    assert model["passed"], model["reasons"]
    assert model["numbers"]["all_hr20_over_popularity"] > 0
    assert {trial["state"] for trial in model["trials"]} == {"done"}
    assert model["release"] in shop.references("TAG")
    [row] = [row for row in shop.table("serving.rollout", model["release"]).to_pylist() if row["action"] == "finish"]
    assert (row["stable"], row["candidate"], row["release"]) == (model["model"], "", model["release"])
    actions = [step["action"] for step in sorted(shop.table("serving.rollout").to_pylist(), key=lambda step: step["at"])]
    assert actions == ["start", "step", "step", "finish"]


def test_an_answer_leads_back_to_the_offsets(shop: Shop, model: dict[str, Any]) -> None:
    found = json.loads(shop.run("tools.lake.trace", model["release"], "--json").stdout)
    assert found["model"]["model_sha256"] == model["model"]
    assert found["model"]["data_tag"] in shop.references("TAG")
    assert any("train, " in account for account in found["training"]["receipts"].values())
    assert any("features, " in account for account in found["data"]["run"]["receipts"].values())
    assert found["data"]["offsets"]
    wrong = shop.run("tools.lake.trace", "nothing-of-that-name", ok=False)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)


def test_a_view_changes_the_list_that_the_release_answers(shop: Shop, model: dict[str, Any]) -> None:
    found = json.loads(shop.run("tools.rollout.recommend", "--users", "3", "--views", "2", "--json").stdout)
    assert len(found["changes"]) == 6
    assert {change["answer"]["release"] for change in found["changes"]} == {model["release"]}
    assert all(change["after"] for change in found["changes"])


def test_an_alert_leads_back_to_its_rule_and_its_place(shop: Shop) -> None:
    """The shop is under attack for a minute, into which all attacks fall; the first alert is asked about."""
    shop.run("tools.shop", "live", "--rate", "200", "--seconds", "60", "--seed", "78", "--attacks", "1")
    eventually(lambda: shop.table("raw.fraud_alerts").num_rows > 0, "an alert in the lake")
    alert = shop.table("raw.fraud_alerts", columns=("alert_id", "pattern", "rule_version")).to_pylist()[0]
    found = json.loads(shop.run("tools.lake.trace", alert["alert_id"], "--json").stdout)
    assert (found["alert"]["pattern"], found["alert"]["rule_version"]) == (alert["pattern"], alert["rule_version"])
    assert found["event"]["topic"] == names.CLICKS_TOPIC
    assert found["event"]["kafka_offset"] >= 0
