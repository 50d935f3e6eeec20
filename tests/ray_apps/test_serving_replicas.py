"""The number of replicas follows the settings of the environment that deploys the application."""

import pytest


@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")
def test_the_settings_limit_the_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    # Importing Ray Serve warns about Pydantic, which is an error while tests are collected.
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

    from ray_apps.serving import application

    monkeypatch.setenv("CLICKSTREAM_SERVE_MIN_REPLICAS", "2")
    monkeypatch.setenv("CLICKSTREAM_SERVE_MAX_REPLICAS", "24")
    deployment = call_user_app_builder_with_args_if_necessary(application.app, {})._bound_deployment
    autoscaling = deployment._deployment_config.autoscaling_config
    assert (autoscaling.min_replicas, autoscaling.max_replicas) == (2, 24)
    assert deployment.ray_actor_options["num_cpus"] == 0.25
