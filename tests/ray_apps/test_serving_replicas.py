"""The number of replicas follows the settings of the environment that deploys the application."""

import json
import subprocess
import sys

from clickstream_contracts.settings import environment

# Deploys as Serve does: it calls the function that `import_path` names. In a process, because importing Ray Serve warns.
DEPLOY = """
import json
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray_apps.serving import application
deployment = call_user_app_builder_with_args_if_necessary(application.app, {})._bound_deployment
autoscaling = deployment._deployment_config.autoscaling_config
print(json.dumps([autoscaling.min_replicas, autoscaling.max_replicas, deployment.ray_actor_options["num_cpus"]]))
"""


def test_the_settings_limit_the_replicas() -> None:
    env = environment(CLICKSTREAM_SERVE_MIN_REPLICAS="2", CLICKSTREAM_SERVE_MAX_REPLICAS="24")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", DEPLOY], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [2, 24, 0.25]
