"""Streams, nightly by SparkApplications, features, training by a RayJob, rollout, and a list from the trained model."""

import json
from typing import Any

from tests.cluster.cluster import SPARK, Cluster


def test_the_sample_jobs_publish_a_release(cluster: Cluster, measured: dict[str, Any]) -> None:
    cluster.script("submit-sample-jobs", "--yes", timeout=7200)
    measured["nightly"] = cluster.run_states("clickstream_nightly")
    assert "success" in measured["nightly"].values()


def test_the_nightly_ran_as_spark_applications(cluster: Cluster) -> None:
    apps = cluster.objects(SPARK, "sparkapplications")
    states = {app["metadata"]["name"]: app["status"]["applicationState"]["state"] for app in apps}
    assert states
    assert set(states.values()) == {"COMPLETED"}, states


def test_the_deployment_is_validated_by_its_outcomes(cluster: Cluster) -> None:
    cluster.script("validate-deployment", "--yes")


def test_the_trained_model_answers(deployed: Cluster, measured: dict[str, Any]) -> None:
    result = json.loads(deployed.tool("tools.rollout.recommend", "--users", "2", "--json"))
    measured["recommend"] = result
    responses = [change["response"] for change in result["changes"]]
    assert responses
    assert all(response["model"] and not response["fallback"] for response in responses)
