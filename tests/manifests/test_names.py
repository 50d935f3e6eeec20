"""References lead somewhere, in custom resources too, and the cure for Kustomize's blindness is what makes them."""

from pathlib import Path

import pytest
import yaml

from tests.manifests import secrets
from tests.manifests.rendered import MANIFESTS, RENDERS, compose, kustomize, objects
from tests.manifests.rules_names import dangling, images
from tests.manifests.runtime import resources


@pytest.mark.parametrize("render", RENDERS)
def test_every_name_that_is_used_exists(render: str) -> None:
    assert dangling(objects(render), secrets.names()) == []


def test_what_airflow_starts_uses_names_of_the_manifests() -> None:
    assert dangling(resources(), secrets.names(), objects("production")) == []


def test_every_secret_that_is_mounted_has_the_keys_that_are_read() -> None:
    """Files below /etc/clickstream that commands, settings and configurations name."""
    keys = {f"/{key}" for _, _, key, _ in secrets.rows()}
    text = "".join(path.read_text() for path in [*MANIFESTS.rglob("*.yaml"), *MANIFESTS.rglob("*.env")])
    assert {key for key in keys if key not in text} == set()


@pytest.mark.parametrize("render", RENDERS)
def test_every_image_has_a_registry_and_a_version(render: str) -> None:
    """`images:` reached each of them: base has short names only."""
    found = {image for thing in objects(render) for image in images(thing)}
    assert {image for image in found if image.count("/") < 2 or ":" not in image.rsplit("/", 1)[1]} == set()


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


@pytest.mark.parametrize("cured", [False, True])
def test_the_cure_is_what_makes_names_in_custom_resources_right(tmp_path: Path, cured: bool) -> None:
    (tmp_path / "inner").mkdir()
    inner = {
        "resources": ["cluster.yaml"],
        "configMapGenerator": [{"name": "planted", "literals": ["a=b"]}],
        "namespace": "x",
    }
    (tmp_path / "inner" / "kustomization.yaml").write_text(yaml.safe_dump(inner))
    (tmp_path / "inner" / "cluster.yaml").write_text(HASHED)
    folder = compose(tmp_path, "local", ("crd-name-references", "images") if cured else ("images",))
    outer = yaml.safe_load((folder / "kustomization.yaml").read_text()) | {"resources": ["inner"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(outer))
    things = list(yaml.safe_load_all(kustomize(folder)))
    account = {"kind": "ServiceAccount", "metadata": {"namespace": "x", "name": "default"}}
    assert ([] if cured else ["RayCluster x/planted/headGroupSpec: no ConfigMap x/planted"]) == dangling([*things, account], set())
