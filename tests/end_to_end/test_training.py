"""From published tables to recommendations: features, training, gate, rollout, and the trace of a release and an alert."""

import json
from typing import Any

import pytest

from clickstream_contracts import names
from tests.shop_day import Shop, eventually
from tools.demo.dag_runs import ReleaseChain

# Part of `make faults`: a nightly run, features, training and rollout take a quarter of an hour on two cores.
pytestmark = pytest.mark.long

DAY = "2026-05-04"
# Enough sessions for the gate's comparison.
HISTORY = ("history", "--days", "1", "--events", "30000", "--until", DAY, "--seed", "21", "--users", "4000", "--products", "1000")


@pytest.fixture(scope="module")
def model(shop: Shop) -> dict[str, Any]:
    """The model after a nightly run, which starts the features, which start the training, which starts the rollout."""
    shop.run("tools.shop", *HISTORY)
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
    actions = [step["action"] for step in sorted(shop.table("serving.rollout").to_pylist(), key=lambda step: step["number"])]
    assert actions == ["start", "step", "step", "step", "finish"]


def test_a_release_is_traced_to_its_kafka_offsets(shop: Shop, model: dict[str, Any]) -> None:
    trace = json.loads(shop.run("tools.lake.trace", model["release"], "--json").stdout)
    assert trace["model"]["model_sha256"] == model["model"]
    assert trace["model"]["data_tag"] in shop.references("TAG")
    assert any("train, " in receipt for receipt in trace["training"]["receipts"].values())
    assert any("features, " in receipt for receipt in trace["data"]["run"]["receipts"].values())
    assert trace["data"]["offsets"]
    unknown_id = shop.run("tools.lake.trace", "no-such-id", ok=False)
    assert (unknown_id.returncode, "Traceback" in unknown_id.stderr) == (2, False)


def test_a_view_changes_the_recommendations_of_the_release(shop: Shop, model: dict[str, Any]) -> None:
    result = json.loads(shop.run("tools.rollout.recommend", "--users", "3", "--views", "2", "--json").stdout)
    assert len(result["changes"]) == 6
    assert {change["response"]["release"] for change in result["changes"]} == {model["release"]}
    assert all(change["after"] for change in result["changes"])


def test_an_alert_is_traced_to_its_rule_and_its_kafka_offset(shop: Shop) -> None:
    """All attacks begin and end within the minute of live events; the first alert is traced."""
    shop.run("tools.shop", "live", "--rate", "200", "--seconds", "60", "--seed", "78", "--attacks", "1")
    eventually(lambda: shop.table("raw.fraud_alerts").num_rows > 0, "an alert in the lake")
    alert = shop.table("raw.fraud_alerts", columns=("alert_id", "pattern", "rule_version")).to_pylist()[0]
    trace = json.loads(shop.run("tools.lake.trace", alert["alert_id"], "--json").stdout)
    assert (trace["alert"]["pattern"], trace["alert"]["rule_version"]) == (alert["pattern"], alert["rule_version"])
    assert trace["event"]["topic"] == names.CLICKS_TOPIC
    assert trace["event"]["kafka_offset"] >= 0
