"""Resources that the Kubernetes runtime starts. `python -m tests.plugins.kubernetes_resources` writes the reviewed snapshot again."""

from tests.plugins.environment import ROOT

SNAPSHOT = ROOT / "tests" / "manifests" / "runtime.yaml"
SETTINGS_FILE = ROOT / "manifests" / "base" / "settings" / "settings.env"
# DAG id, run id, task id and try number.
TRY = ("clickstream_nightly", "scheduled__2026-01-02", "curate", 2)


def to_yaml() -> str:
    """Returns a Spark application, a tool's pod and a Ray job, as the API server gets them."""
    from types import SimpleNamespace

    import yaml
    from kubernetes.client import ApiClient

    from clickstream.runtime import rayjob_specs
    from clickstream.runtime.base import RayJob, SparkJob, ToolJob
    from clickstream.runtime.kubernetes import Kubernetes
    from clickstream_contracts import names
    from clickstream_contracts.settings import Settings

    # The settings of Airflow's pods, with the default images.
    lines = [line.partition("=") for line in SETTINGS_FILE.read_text().splitlines()]
    settings = Settings.from_env({key: value for key, _, value in lines if not key.endswith("_IMAGE")})
    runtime = Kubernetes(settings)
    application = runtime.spark_application(SparkJob("curate", ("--ref", "main")))
    application["metadata"]["name"] = names.pod_name(*TRY)
    tool = runtime.tool(ToolJob("ledger", ("wait",)), task_id="wait_for_lake", name="wait-for-lake")
    tool.__dict__["hook"] = SimpleNamespace(is_in_cluster=True)
    pod = ApiClient().sanitize_for_serialization(tool.build_pod_request_obj())
    pod["metadata"]["labels"].pop("airflow_version", None)
    train = runtime.ray_job(RayJob("train", ("--ref", "features_2026-01-02_1a2b3c4d")), task_id="train")
    ray_job = rayjob_specs.manifest(names.pod_name(*TRY[:2], "train", 1), train.command, settings)
    dumper_without_aliases = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    return yaml.dump_all([application, pod, ray_job], Dumper=dumper_without_aliases, width=140)


if __name__ == "__main__":
    SNAPSHOT.write_text(to_yaml())
