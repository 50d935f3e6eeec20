"""Every referenced name exists, also in custom resources; components/crd-name-references is what makes that so."""

from pathlib import Path

import pytest
import yaml

from scripts.kube.images import images
from tests.manifests import secrets
from tests.manifests.rendered import MANIFESTS, RENDERS, compose, kustomize, objects
from tests.manifests.rules_names import dangling
from tests.manifests.runtime import airflow_resources


@pytest.mark.parametrize("render", RENDERS)
def test_every_name_that_is_used_exists(render: str) -> None:
    assert dangling(objects(render), secrets.names()) == []


def test_what_airflow_creates_uses_names_of_the_manifests() -> None:
    assert dangling(airflow_resources(), secrets.names(), objects("production")) == []


def test_every_secret_that_is_mounted_has_the_keys_that_are_read() -> None:
    """Commands, settings and configurations read files below /etc/clickstream."""
    keys = {f"/{key}" for _, _, key, _ in secrets.rows()}
    text = "".join(path.read_text() for path in [*MANIFESTS.rglob("*.yaml"), *MANIFESTS.rglob("*.env")])
    assert {key for key in keys if key not in text} == set()


@pytest.mark.parametrize("render", RENDERS)
def test_every_image_has_a_registry_and_a_version(render: str) -> None:
    """base has short names only, so `images:` must have rewritten each of them."""
    image_names = {image for resource in objects(render) for image in images(resource)}
    assert {image for image in image_names if image.count("/") < 2 or ":" not in image.rsplit("/", 1)[1]} == set()


HASHED = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: planted}
spec:
  headGroupSpec:
    rayStartParams: {}
    template:
      spec:
        serviceAccountName: default
        containers: [{name: ray, image: ray-apps, envFrom: [{configMapRef: {name: planted}}]}]
"""


@pytest.mark.parametrize("with_references", [False, True])
def test_the_configurations_rewrite_names_in_custom_resources(tmp_path: Path, with_references: bool) -> None:
    (tmp_path / "inner").mkdir()
    inner = {
        "resources": ["cluster.yaml"],
        "configMapGenerator": [{"name": "planted", "literals": ["a=b"]}],
        "namespace": "x",
    }
    (tmp_path / "inner" / "kustomization.yaml").write_text(yaml.safe_dump(inner))
    (tmp_path / "inner" / "cluster.yaml").write_text(HASHED)
    folder = compose(tmp_path, "local", ("crd-name-references", "images") if with_references else ("images",))
    outer = yaml.safe_load((folder / "kustomization.yaml").read_text()) | {"resources": ["inner"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(outer))
    resources = list(yaml.safe_load_all(kustomize(folder)))
    account = {"kind": "ServiceAccount", "metadata": {"namespace": "x", "name": "default"}}
    assert ([] if with_references else ["RayCluster x/planted/headGroupSpec: no ConfigMap x/planted"]) == dangling(
        [*resources, account], set()
    )
