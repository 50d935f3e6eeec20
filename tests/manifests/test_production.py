"""Optional components of production: each replaces what it says, alone and together with the others."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from clickstream_contracts.settings import Settings
from tests.manifests import secrets
from tests.manifests.connections import INGRESS_CONTROLLER, connections
from tests.manifests.pods import pods
from tests.manifests.rendered import MANIFESTS, OPTIONAL, RENDERS, ROOT, Object, identity, objects, with_components
from tests.manifests.rules_names import dangling
from tests.manifests.rules_pods import RULES

PAGE = ROOT / "docs" / "production.md"
EVERYTHING = OPTIONAL["external"][1]
ALONE = [(folder, name) for folder, names in EVERYTHING.items() for name in names] + [("common", "node-local-dns")]
# Components that one other requires.
TOGETHER = {"external-secrets/ray-gcs-redis": ["ray-gcs-redis"]}


@cache
def with_component(folder: str, name: str) -> tuple[Object, ...]:
    """The production overlay with one optional component."""
    added = [*TOGETHER.get(name, []), name]
    return tuple(yaml.load_all(with_components("production", {folder: added}), yaml.CSafeLoader))


def by_name(resources: Any, kind: str, name: str) -> list[Any]:
    return [t for t in resources if t["kind"] == kind and re.sub(r"-[a-z0-9]{10}$", "", t["metadata"]["name"]) == name]


def settings_of(resources: Any) -> dict[str, str]:
    """The settings of an overlay, which are the same in each namespace."""
    data = [t["data"] for t in by_name(resources, "ConfigMap", "clickstream-settings")]
    assert len(data) >= 5
    assert all(other == data[0] for other in data)
    return dict(data[0])


def addresses(resources: Any) -> dict[str, set[str]]:
    """CIDR and port of every egress out of the cluster, by the pod that has it."""
    targets: dict[str, set[str]] = {}
    for connection in connections(list(resources)):
        if re.search(r"/\d+$", connection.target):
            targets.setdefault(connection.source, set()).add(f"{connection.target}:{connection.port}")
    return targets


def sources(resources: Any, target: str) -> set[str]:
    return {pod for pod, targets in addresses(resources).items() if target in targets}


@pytest.mark.parametrize(("folder", "name"), ALONE)
def test_each_component_renders_alone_and_changes_something(folder: str, name: str) -> None:
    resources = list(with_component(folder, name))
    assert resources != objects("production")
    assert dangling(resources, secrets.names()) == []
    assert {pod.origin: texts for pod in pods(resources) for rule in RULES if (texts := list(rule(pod)))} == {}


@pytest.mark.parametrize("render", RENDERS)
def test_the_apps_know_every_setting(render: str) -> None:
    """An app refuses to start with an unknown setting."""
    settings = settings_of(objects(render))
    assert set(settings) <= set(Settings().to_env())
    Settings.from_env(settings)


@pytest.mark.parametrize("alone", [True, False])
def test_external_kafka_replaces_ours(alone: bool) -> None:
    resources = with_component("common", "external-kafka") if alone else tuple(objects("external"))
    assert [identity(t) for t in resources if "kafka" in t["metadata"].get("namespace", t["metadata"]["name"])] == []
    settings = settings_of(resources)
    assert settings["CLICKSTREAM_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
    files = {settings[f"CLICKSTREAM_KAFKA_{name}_FILE"] for name in ("USERNAME", "PASSWORD")}
    assert {str(Path(file).parent) for file in files} == {str(Path(settings["CLICKSTREAM_S3_ACCESS_KEY_FILE"]).parent)}
    assert "clickstream-kafka" not in yaml.safe_dump_all(resources)
    port = settings["CLICKSTREAM_KAFKA_BOOTSTRAP"].split(":")[1]
    clients = {"flink/flink-jobmanager", "flink/flink-taskmanager", "ray/ray-head", "ray/ray-worker", "tools/tool"}
    assert sources(resources, f"192.0.2.10/32:{port}") == clients
    # The user's name and password are files of these Secrets.
    assert {name for name in clients if not mounts_secret(resources, name, "lake-keys")} == set()


def mounts_secret(resources: Any, name: str, secret: str) -> bool:
    named = [pod for pod in pods(list(resources)) if pod.labels.get("app.kubernetes.io/name") == name.split("/")[1]]
    assert named, name
    return all(any(v.get("secret", {}).get("secretName") == secret for v in pod.spec.get("volumes", [])) for pod in named)


@pytest.mark.parametrize("alone", [True, False])
def test_external_postgres_replaces_ours(alone: bool) -> None:
    resources = with_component("common", "external-postgres") if alone else tuple(objects("external"))
    assert [identity(t) for t in resources if t["metadata"]["name"] == "postgres" and t["kind"] != "ExternalSecret"] == []
    airflow = {f"airflow/airflow-{name}" for name in ("api-server", "scheduler", "dag-processor", "triggerer", "cleanup")}
    assert sources(resources, "192.0.2.11/32:5432") == airflow | {"nessie/nessie", "backup/tool"}
    assert not [c for c in connections(list(resources)) if c.target.endswith("/postgres")]


def test_the_command_of_airflows_connection_prints_an_encrypted_connection(tmp_path: Path) -> None:
    """Airflow runs it without a shell around it, split as here."""
    (tmp_path / "password").write_text("p4ss")
    command = by_name(objects("external"), "ConfigMap", "airflow")[0]["data"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"]
    words = shlex.split(command.replace("/etc/clickstream/postgres", str(tmp_path)))
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "postgresql+psycopg2://airflow:p4ss@postgres.example.org:5432/airflow?sslmode=require"


@pytest.mark.parametrize("render", RENDERS)
def test_nessie_has_every_variable_of_its_properties(render: str) -> None:
    properties = by_name(objects(render), "ConfigMap", "nessie")[0]["data"]["application.properties"]
    container = next(t for t in objects(render) if identity(t) == "Deployment clickstream-nessie/nessie")["spec"]["template"]["spec"]
    own = {entry["name"] for entry in container["containers"][0]["env"]}
    assert set(re.findall(r"\$\{(\w+)\}", properties)) <= own | set(settings_of(objects(render)))


def test_external_s3_has_its_address_in_every_client() -> None:
    clients = sources(objects("production"), "192.0.2.12/32:443")
    assert clients >= {"nessie/nessie", "airflow/airflow-scheduler", "spark/spark-executor", "tools/tool", "ray/ray-worker"}
    assert by_name(objects("production"), "Namespace", "clickstream-object-store") == []


def test_external_s3_in_the_local_overlay() -> None:
    resources = list(yaml.safe_load_all(with_components("local", {"common": ["external-s3"]})))
    assert "StatefulSet clickstream-object-store/object-store" not in {identity(t) for t in resources}
    assert "nessie/nessie" in sources(resources, "192.0.2.12/32:443")


def test_workload_identity_mounts_no_keys() -> None:
    """Only Flink (Kafka's user), Ray and the tools (the token of Serve), and the backups still mount lake-keys."""
    resources = with_component("common", "workload-identity")
    assert settings_of(resources)["CLICKSTREAM_S3_CREDENTIALS"] == "environment"
    mounted = {
        pod.namespace for pod in pods(list(resources)) for v in pod.spec["volumes"] if v.get("secret", {}).get("secretName") == "lake-keys"
    }
    assert mounted == {"clickstream-backup", "clickstream-flink", "clickstream-ray", "clickstream-tools"}
    stored = {t["metadata"]["namespace"] for t in resources if t["kind"] == "ExternalSecret" and t["metadata"]["name"] == "lake-keys"}
    assert stored == mounted


def test_workload_identity_names_a_role_for_every_client_of_s3() -> None:
    resources = with_component("common", "workload-identity")
    roles = {
        (t["metadata"]["namespace"], t["metadata"]["name"])
        for t in resources
        if t["kind"] == "ServiceAccount" and "eks.amazonaws.com/role-arn" in t["metadata"].get("annotations", {})
    }
    clients = sources(objects("production"), "192.0.2.12/32:443")
    accounts = {(p.namespace, p.spec["serviceAccountName"]) for p in pods(list(resources))} | {
        ("clickstream-spark", "spark-driver"),
        ("clickstream-spark", "spark-executor"),
    }
    namespaces = {f"clickstream-{client.split('/')[0]}" for client in clients}
    assert roles == {account for account in accounts if account[0] in namespaces and account[1] != "postgres"}


@pytest.mark.parametrize("keys", [True, False])
def test_flink_and_nessie_start_without_keys(tmp_path: Path, keys: bool) -> None:
    """Their init containers write credentials only if there are any; an empty key would hide the provider chain."""
    for name in ("secrets", "postgres", "out", "conf", "flink"):
        (tmp_path / name).mkdir()
    for file in ("postgres/password", "flink/log4j-console.properties", "flink/config.yaml", "conf/config.yaml"):
        (tmp_path / file).write_text("text\n")
    if keys:
        (tmp_path / "secrets" / "s3_access_key").write_text("key")
        (tmp_path / "secrets" / "s3_secret_key").write_text("secret")
    else:
        (tmp_path / "secrets").rmdir()
    folders = {
        "/etc/clickstream": tmp_path,
        "/etc/flink": tmp_path / "flink",
        "/opt/flink/conf": tmp_path / "out",
        "/run/credentials": tmp_path / "out",
    }
    for deployment, file in (("flink-jobmanager", "config.yaml"), ("nessie", "nessie.properties")):
        workload = next(t for t in objects("production") if t["kind"] == "Deployment" and t["metadata"]["name"] == deployment)
        script = workload["spec"]["template"]["spec"]["initContainers"][0]["args"][0]
        for old, new in folders.items():
            script = script.replace(old, str(new))
        env = {
            "PATH": "/usr/bin:/bin",
            "FLINK_HOME": str(tmp_path),
            "CLICKSTREAM_S3_BUCKET": "lake",
            "CLICKSTREAM_S3_ENDPOINT": "https://s3",
        }
        subprocess.run(["sh", "-ec", script], env=env, check=True)
        text = (tmp_path / "out" / file).read_text()
        assert len(re.findall(r"^(s3.access-key: \"key\"|s3cred.name=key)$", text, re.M)) == (1 if keys else 0)
        assert ("access-key" in text or "s3cred" in text) is keys


def test_a_private_ca_is_mounted_in_every_client() -> None:
    resources = with_component("common", "private-ca")
    bundle = settings_of(resources)["CLICKSTREAM_CA_BUNDLE"]
    folder, file = bundle.rsplit("/", 1)
    maps = by_name(resources, "ConfigMap", "ca-bundle")
    assert all(file in t["data"] for t in maps)
    servers = {"kafka", "postgres"}
    missing = [
        pod.origin
        for pod in pods(list(resources))
        if pod.labels["app.kubernetes.io/name"] not in servers
        and folder not in {m["mountPath"] for m in pod.spec["containers"][0]["volumeMounts"]}
    ]
    assert missing == []
    # Spark's pods and the tools of Airflow find it in their namespaces.
    assert {"clickstream-spark", "clickstream-tools"} <= {t["metadata"]["namespace"] for t in maps}


def test_the_pull_secret_is_on_every_service_account() -> None:
    accounts = [t for t in with_component("common", "image-pull-secret") if t["kind"] == "ServiceAccount"]
    assert len(accounts) >= 12
    assert [identity(t) for t in accounts if t.get("imagePullSecrets") != [{"name": "registry"}]] == []


def test_an_ingress_admits_the_controller_only_where_it_routes() -> None:
    allowed = {f"{c.target}:{c.port}" for c in connections(objects("external")) if c.source == INGRESS_CONTROLLER[2] and c.target != "dns"}
    assert allowed == {"airflow/airflow-api-server:8080", "ray/ray-head:8000", "ray/ray-worker:8000"}
    ingresses = [t for t in objects("external") if t["kind"] == "Ingress"]
    assert {t["metadata"]["name"] for t in ingresses} == {"airflow", "recommend"}
    for ingress in ingresses:
        hosts = {rule["host"] for rule in ingress["spec"]["rules"]}
        assert {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]} == hosts
    paths = [path["path"] for t in ingresses if t["metadata"]["name"] == "recommend" for path in t["spec"]["rules"][0]["http"]["paths"]]
    assert paths == ["/recommend", "/similar"]
    assert not [c for c in connections(objects("production")) if c.source == INGRESS_CONTROLLER[2] and c.target != "dns"]


@pytest.mark.parametrize("alone", [True, False])
def test_only_the_processes_that_run_callbacks_reach_the_webhook(alone: bool) -> None:
    resources = with_component("airflow", "notifications") if alone else tuple(objects("external"))
    assert sources(resources, "192.0.2.13/32:443") == {"airflow/airflow-scheduler", "airflow/airflow-dag-processor"}
    assert sources(objects("production"), "192.0.2.13/32:443") == set()


def test_node_local_dns_is_one_more_resolver_for_every_pod() -> None:
    allowed = addresses(with_component("common", "node-local-dns"))
    assert {pod for pod, targets in allowed.items() if "169.254.20.10/32:53" in targets} >= {
        connection.source for connection in connections(objects("production")) if connection.target == "dns"
    } - {"ray-operator", INGRESS_CONTROLLER[2]}


def test_the_gcs_of_the_serving_head_is_in_redis() -> None:
    resources = with_component("ray", "ray-gcs-redis")
    service = next(t for t in resources if t["kind"] == "RayService")
    options = service["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    host, port = re.fullmatch(r"redis://([\w-]+):(\d+)", options["redisAddress"]).groups()  # type: ignore[union-attr]
    redis = next(t for t in by_name(resources, "Service", host))
    assert redis["spec"]["ports"][0]["port"] == int(port)
    secret = options["redisPassword"]["valueFrom"]["secretKeyRef"]
    assert ("clickstream-ray", secret["name"], secret["key"]) in {row[:3] for row in secrets.rows()}
    assert {c.source for c in connections(list(resources)) if c.target == "ray/ray-redis"} == {"ray/ray-head"}


def documented() -> set[str]:
    """The components of the page's table."""
    return set(re.findall(r"^\| `([\w/-]+)` \|", PAGE.read_text(), re.M))


def test_the_page_lists_every_component() -> None:
    folders = {str(p.parent.relative_to(MANIFESTS / "components")) for p in (MANIFESTS / "components").rglob("kustomization.yaml")}
    internal = {"crd-name-references", "images"}
    one_row = {name for name in folders if name.startswith("external-secrets/") and name != "external-secrets/ray-gcs-redis"}
    assert documented() == folders - internal - one_row


def test_placeholders_are_refused() -> None:
    """Every address, host and digest that a user has to replace contains a text that the check of prerequisites refuses."""
    script = "".join(path.read_text() for path in sorted((ROOT / "scripts").glob("*prerequisites.sh")))
    loop = re.search(r"for placeholder in (.*); do", script)
    assert loop
    refused = loop[1].split()
    for name in ("external-kafka", "external-postgres", "external-s3", "ingress", "workload-identity", "private-ca", "notifications"):
        files = [path for path in (MANIFESTS / "components" / name).rglob("*") if path.is_file()]
        assert [text for text in refused if any(text in path.read_text() for path in files)], name
    assert any(text in "sha256:" + 64 * "0" for text in refused)
