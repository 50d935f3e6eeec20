"""The operators: fetched once with a pinned digest, rendered without a network, and never taken from another team."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.manifests import operators
from tests.manifests.rendered import MANIFESTS, ROOT, kustomize, program
from tests.manifests.stub import StubKubectl, fails, ok

NAMES = ("ray", "spark")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the scripts and manifests, without .operators/."""
    for name in ("scripts", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def fetch(folder: Path, path: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
    own = {"PATH": path or os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | env
    command = [str(folder / "scripts" / "fetch-operators.sh")]
    return subprocess.run(command, env=own, capture_output=True, text=True, check=False, timeout=120)


PROGRAMS = ["bash", "dirname", "basename", "sed", "grep", "awk", "env", "cat", "mktemp", "rm", "mv", "mkdir", "find", "sort", "cut", "tar"]
PROGRAMS += ["gzip", "chmod", "sha256sum"]


def path_without_go(folder: Path, **programs: str) -> str:
    """A PATH with the programs of a plain system, and the given scripts."""
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return str(folder)


def test_rendering_needs_no_network_and_no_git(copy: Path) -> None:
    shutil.copytree(operators.folder(), copy / ".operators")
    done = subprocess.run(
        [program("kubectl"), "kustomize", str(copy / "manifests" / "operators")],
        env={"PATH": "/nonexistent", "HTTPS_PROXY": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    resources = [t for t in yaml.safe_load_all(done.stdout) if t]
    assert {t["metadata"]["labels"]["app.kubernetes.io/part-of"] for t in resources} == {"clickstream-operators"}
    assert not [t for t in resources if "Webhook" in t["kind"] or t.get("spec", {}).get("conversion")]
    deployments = {t["metadata"]["name"]: t["spec"]["template"]["spec"]["containers"][0] for t in resources if t["kind"] == "Deployment"}
    versions = {name.partition("-")[0].replace("kuberay", "ray"): c["image"].rpartition(":")[2] for name, c in deployments.items()}
    assert versions == {name: row["version"].removeprefix("v") if name == "spark" else row["version"] for name, row in operators.sources()}
    assert "--namespaces=clickstream-spark" in deployments["spark-operator-controller"]["args"]
    assert "--watch-namespace=clickstream-ray" in deployments["kuberay-operator"]["args"]
    assert (
        "http" not in "".join(path.read_text() for path in (MANIFESTS / "operators").rglob("kustomization.yaml")).split("config.k8s.io")[-1]
    )


def test_the_page_names_every_image_of_the_operators_for_a_mirror(copy: Path) -> None:
    """With the lines of docs/kubernetes.md, no image comes from a public registry."""
    shutil.copytree(operators.folder(), copy / ".operators")
    block = re.search(r"for the operators:\n\n```yaml\n(.*?)```", (ROOT / "docs" / "kubernetes.md").read_text(), re.S)
    assert block
    kustomization = copy / "manifests" / "operators" / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text() + block[1])
    rendered = kustomize(copy / "manifests" / "operators")
    images = re.findall(r"^\s+(?:- )?image: (\S+)$", rendered, re.M)
    assert len(images) == 2
    assert all(image.startswith("registry.example.org/") for image in images)


def test_a_copied_folder_replaces_the_download(copy: Path, tmp_path: Path) -> None:
    """The machine has neither go nor curl."""
    path = path_without_go(tmp_path / "bin")
    done = fetch(copy, path, OPERATORS_DIR=str(operators.folder()))
    assert done.returncode == 0, done.stderr
    assert {folder.name for folder in (copy / ".operators").iterdir()} == set(NAMES)
    again = fetch(copy, path)
    assert (again.returncode, again.stderr) == (0, ""), "nothing is downloaded again"


def test_a_changed_file_is_refused(copy: Path, tmp_path: Path) -> None:
    shutil.copytree(operators.folder(), tmp_path / "theirs")
    manager = tmp_path / "theirs" / "ray" / "manager" / "manager.yaml"
    manager.write_text(manager.read_text().replace("kuberay-operator", "other", 1))
    done = fetch(copy, OPERATORS_DIR=str(tmp_path / "theirs"))
    assert done.returncode == 1
    assert re.search(r"error: github.com/ray-project/kuberay/ray-operator@v\S+: sha256 is \w{64}, expected \w{64}", done.stderr)
    assert not (copy / ".operators" / "ray").exists()


def test_without_go_the_release_archives_are_downloaded(copy: Path, tmp_path: Path) -> None:
    """A curl that returns archives of the same layout."""
    for name, row in operators.sources():
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(operators.folder() / name, row["path"])
    cases = [f'*"{row["archive"]}") exec cat {tmp_path}/{name}.tar.gz ;;' for name, row in operators.sources()]
    archives = f'case "$*" in {" ".join(cases)} esac\n'
    done = fetch(copy, path_without_go(tmp_path / "bin", curl=f"#!/bin/bash\n{archives}exit 22\n"))
    assert done.returncode == 0, done.stderr
    assert {folder.name for folder in (copy / ".operators").iterdir()} == set(NAMES)


def test_a_failed_download_says_what_to_do(copy: Path, tmp_path: Path) -> None:
    done = fetch(copy, path_without_go(tmp_path / "bin", curl="#!/bin/bash\nexit 6\n"))
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "copy .operators/ from a machine that can, or set OPERATORS_DIR" in line


SERVED = {"sparkapplications": "v1beta2", "rayclusters": "v1", "rayservices": "v1", "rayjobs": "v1"}


def cluster(tmp_path: Path, foreign: str = "", served: "dict[str, str]" = SERVED) -> StubKubectl:
    operators.folder()
    kubectl = StubKubectl(tmp_path)
    for name, version in served.items():
        kubectl.on(f"get crd {name}. --ignore-not-found", ok(version))
    return kubectl.on("custom-columns=KIND:.kind,NAME:.metadata.name,OWNER:", ok(foreign))


def test_operators_of_another_team_are_refused(tmp_path: Path) -> None:
    listed = "CustomResourceDefinition rayclusters.ray.io <none>\nDeployment kuberay-operator clickstream-operators\n"
    kubectl = cluster(tmp_path, listed)
    done = kubectl.script("deploy-all", "--yes", "--skip-check")
    assert done.returncode == 1
    assert "    CustomResourceDefinition rayclusters.ray.io\n" in done.stderr
    assert "kuberay-operator" not in done.stderr
    assert "add --skip-operators" in done.stderr
    assert kubectl.calls("apply") == []


def test_operators_of_another_team_that_are_too_old_are_refused_with_the_versions(tmp_path: Path) -> None:
    kubectl = cluster(tmp_path, "CustomResourceDefinition rayjobs.ray.io <none>\n", SERVED | {"rayjobs": "v1alpha1"})
    done = kubectl.script("deploy-all", "--yes", "--skip-check")
    assert done.returncode == 1
    assert "without the CRD versions rayjobs.ray.io/v1: ask their owner" in done.stderr


def test_skipped_operators_must_have_the_needed_versions(tmp_path: Path) -> None:
    kubectl = cluster(tmp_path, served={"sparkapplications": "v1beta2"})
    done = kubectl.script("deploy-all", "--yes", "--skip-check", "--skip-operators")
    assert done.returncode == 1
    assert "the cluster has no CRD rayclusters.ray.io/v1 rayservices.ray.io/v1 rayjobs.ray.io/v1" in done.stderr
    assert kubectl.calls("apply") == []


def test_operators_that_cannot_be_read_are_not_taken_for_absent(tmp_path: Path) -> None:
    operators.folder()
    kubectl = StubKubectl(tmp_path).on("custom-columns=KIND:", fails("Unable to connect to the server: EOF\n"))
    done = kubectl.script("deploy-all", "--yes", "--skip-check")
    assert done.returncode == 1
    assert "cannot read the operators of the cluster" in done.stderr
    assert kubectl.calls("apply") == []


def test_teardown_keeps_operators_that_other_namespaces_use(tmp_path: Path) -> None:
    kubectl = StubKubectl(tmp_path)
    crd = "customresourcedefinition.apiextensions.k8s.io/rayclusters.ray.io\n"
    kubectl.on("get crd -l app.kubernetes.io/part-of=clickstream-operators", ok(crd))
    kubectl.on("get rayclusters.ray.io -A", ok("team-b notebook\nclickstream-ray train\n"))
    done = kubectl.script("teardown", "--yes", "--operators")
    assert done.returncode == 1
    assert "    rayclusters.ray.io team-b/notebook\n" in done.stderr
    assert "clickstream-ray/train" not in done.stderr
    assert kubectl.calls("delete crd") == []


def test_teardown_deletes_only_operators_with_our_label(tmp_path: Path) -> None:
    kubectl = StubKubectl(tmp_path)
    assert kubectl.script("teardown", "--yes", "--operators").returncode == 0
    [call] = kubectl.calls("crd,clusterrolebindings,clusterroles,namespaces")
    assert call.endswith("-l app.kubernetes.io/part-of=clickstream-operators")


@pytest.mark.parametrize("listed", ["", "Deployment kuberay-operator clickstream-operators\n"])
def test_operators_are_deployed_where_there_are_none_or_ours(tmp_path: Path, listed: str) -> None:
    kubectl = cluster(tmp_path, listed).on("rollout status", fails("the end of this test\n"))
    done = kubectl.script("deploy-all", "--yes", "--skip-check")
    assert "not installed by this project" not in done.stderr
    assert len(kubectl.calls("apply --server-side")) == 2, "the CRDs, then everything"
    assert kubectl.calls("wait --for condition=Established crd/rayjobs.ray.io")
