"""Every pod, also inside custom resources, satisfies every rule; each rule is tested on a planted violation."""

import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests import rules_pods as rules
from tests.manifests.pods import Pod, of, pods
from tests.manifests.rendered import RENDERS, objects
from tests.manifests.runtime import airflow_resources

Rule = Callable[[Pod], Iterator[str]]


def violations(rule: Rule, checked_pods: list[Pod]) -> dict[str, list[str]]:
    return {pod.origin: texts for pod in checked_pods if (texts := list(rule(pod)))}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: str(rule.__name__))
@pytest.mark.parametrize("render", RENDERS)
def test_every_pod_satisfies_the_rule(render: str, rule: Rule) -> None:
    assert violations(rule, pods(objects(render))) == {}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: str(rule.__name__))
def test_every_pod_that_airflow_creates_satisfies_the_rule(rule: Rule) -> None:
    assert violations(rule, pods(airflow_resources())) == {}


def test_pod_templates_of_custom_resources_are_extracted() -> None:
    kinds = [pod.origin.split()[0] for pod in pods(objects("local") + airflow_resources())]
    assert {kind: kinds.count(kind) for kind in ("RayCluster", "RayService", "SparkApplication", "CronJob")} == {
        "RayCluster": 2,
        "RayService": 2,
        "SparkApplication": 2,
        "CronJob": 9,
    }


def test_spark_pods_need_no_webhook() -> None:
    """Only fields that spark-submit passes on; others would need the operator's webhook and be dropped silently."""
    passed_on = {"cores", "coreRequest", "coreLimit", "memory", "memoryOverhead", "serviceAccount", "labels", "template"}
    application = next(resource for resource in airflow_resources() if resource["kind"] == "SparkApplication")
    for role in ("driver", "executor"):
        assert set(application["spec"][role]) == passed_on
        names = {entry["name"] for entry in application["spec"][role]["template"]["spec"]["containers"][0]["env"]}
        assert {"CLICKSTREAM_NESSIE_URI", "CLICKSTREAM_S3_ENDPOINT"} <= names


GOOD = yaml.safe_load("""
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: x}
spec:
  serviceAccountName: good
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: main
      command: [java, -Xmx100m]
      startupProbe: {tcpSocket: {port: 1}}
      readinessProbe: {tcpSocket: {port: 1}}
      livenessProbe: {tcpSocket: {port: 2}}
      resources:
        requests: {cpu: 100m, memory: 200Mi, ephemeral-storage: 1Mi}
        limits: {cpu: "1", memory: 200Mi, ephemeral-storage: 1Mi}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {sizeLimit: 1Mi}}]
""")

PLANTED: list[tuple[Rule, str, Any]] = [
    (rules.no_service_links, "spec.enableServiceLinks", True),
    (rules.no_service_links, "spec.enableServiceLinks", None),
    (rules.restricted, "spec.hostNetwork", True),
    (rules.restricted, "spec.securityContext.runAsUser", 999),
    (rules.restricted, "spec.securityContext.seccompProfile", {}),
    (rules.restricted, "spec.volumes", [{"name": "tmp", "hostPath": {"path": "/"}}]),
    (rules.restricted, "spec.containers.0.securityContext.privileged", True),
    (rules.restricted, "spec.containers.0.securityContext.capabilities", {}),
    (rules.read_only, "spec.containers.0.securityContext.readOnlyRootFilesystem", False),
    (rules.read_only, "spec.volumes", [{"name": "tmp", "emptyDir": {}}]),
    (rules.read_only, "spec.volumes", []),
    (rules.sized, "spec.containers.0.resources.limits", {"cpu": "1"}),
    (rules.sized, "spec.containers.0.resources.requests.memory", "1Gi"),
    (rules.heap_fits, "spec.containers.0.command", ["java", "-Xmx199m"]),
    (rules.probed, "spec.containers.0.livenessProbe", {"tcpSocket": {"port": 1}}),
    (rules.probed, "spec.containers.0.startupProbe", None),
    (rules.tokenless, "spec.automountServiceAccountToken", True),
    (rules.tokenless, "spec.serviceAccountName", "default"),
    (rules.keeps_logs, "spec.restartPolicy", "OnFailure"),
    (rules.secrets_are_files, "spec.containers.0.envFrom", [{"secretRef": {"name": "keys"}}]),
]


def planted(path: str, value: Any) -> Pod:
    resource = deepcopy(GOOD)
    *steps, last_step = path.split(".")
    node: Any = resource
    for step in steps:
        node = node[int(step) if step.isdigit() else step]
    if value is None:
        del node[last_step]
    else:
        node[last_step] = value
    return next(of(resource))


@pytest.mark.parametrize(("rule", "path", "value"), PLANTED)
def test_each_rule_finds_a_planted_violation(rule: Rule, path: str, value: Any) -> None:
    assert list(rule(planted(path, value)))


@pytest.mark.parametrize("rule", rules.RULES)
def test_a_good_pod_satisfies_every_rule(rule: Rule) -> None:
    assert list(rule(next(of(GOOD)))) == []


def test_the_airflow_password_file_is_writable_after_each_start(tmp_path: Path) -> None:
    """The api-server opens it for appending, and a restarted container replaces the copy of its last start."""
    api_server = next(
        resource
        for resource in objects("local")
        if resource["kind"] == "Deployment" and resource["metadata"]["name"] == "airflow-api-server"
    )
    command = api_server["spec"]["template"]["spec"]["containers"][0]["command"][-1].split(" && exec ")[0]
    (tmp_path / "secret").mkdir()
    (tmp_path / "home").mkdir()
    secret = tmp_path / "secret" / "passwords.json"
    secret.write_text("{}")
    secret.chmod(0o440)
    copy = command.replace("/etc/clickstream/airflow", str(tmp_path / "secret")).replace("/opt/airflow", str(tmp_path / "home"))
    for _ in range(2):
        subprocess.run(["sh", "-ec", copy], check=True)
        assert (tmp_path / "home" / "passwords.json").stat().st_mode & 0o777 == 0o600
