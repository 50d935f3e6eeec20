"""checkov and kube-score report nothing, on plain objects and on pod templates extracted from custom resources."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.pods import pods
from tests.manifests.rendered import ROOT, Object, objects
from tests.manifests.runtime import airflow_resources

CHECKOV = ROOT / ".venvs" / "manifests" / "bin" / "checkov"
# Excluded checks, with reasons.
EXCLUDED = {
    "CKV_K8S_43": "digests: docs/kubernetes.md says how to pin; which image a registry has is not known here",
    "CKV_K8S_15": "imagePullPolicy Always is the production overlay's; a laptop loads its images by hand",
    "CKV_K8S_38": "tokens: the rule knows no exception for who makes pods; tests/manifests/test_access.py names them",
    "CKV2_K8S_6": "a policy per pod: tests/manifests/test_network.py computes the whole graph instead",
}


def write(folder: Path, resources: dict[str, list[Object]]) -> Path:
    for name, objects_to_scan in resources.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(objects_to_scan))
    return folder


def everything() -> dict[str, list[Object]]:
    """All renders, and every pod template of a custom resource as a Pod; composed contains the local overlay."""
    objects_to_scan = [*objects("composed"), *objects("production"), *airflow_resources()]
    extracted = {pod.origin: pod.as_job() for pod in pods(objects_to_scan) if pod.origin.startswith(("Ray", "Spark"))}
    assert len(extracted) == 7
    return {"composed": objects("composed"), "production": objects("production"), "extracted": list(extracted.values())}


def checkov(folder: Path) -> list[str]:
    """Failed checks, with what they failed on."""
    if not CHECKOV.exists():
        pytest.skip("no checkov: python3 -m tools.localstack.bootstrap manifests")
    options = ["--framework", "kubernetes", "--skip-download", "--quiet", "--compact", "-o", "json", "--skip-check", ",".join(EXCLUDED)]
    done = subprocess.run([str(CHECKOV), "-d", str(folder), *options], capture_output=True, text=True, check=False)
    report: Any = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 0
    return sorted({f"{c['check_id']} {c['check_name']}: {c['resource']}" for c in report["results"]["failed_checks"]})


def test_checkov_reports_nothing(tmp_path: Path) -> None:
    assert checkov(write(tmp_path, everything())) == []


def test_checkov_finds_a_planted_violation(tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"hostNetwork": True, "containers": [{"name": "c", "image": "x"}]},
    }
    assert len(checkov(write(tmp_path, {"planted": [pod]}))) > 10


# Excluded kube-score checks, with reasons.
IGNORED = {
    "container-image-pull-policy": "imagePullPolicy Always is the production overlay's",
    "container-security-context-user-group-id": "the user is set for the pod, where it holds for each container",
    "statefulset-has-host-podantiaffinity": "one pod, or a spread over hosts",
    "deployment-has-host-podantiaffinity": "one pod, or a spread over hosts",
    "deployment-has-poddisruptionbudget": "one pod: a PodDisruptionBudget would block every drain",
    "statefulset-has-poddisruptionbudget": "one pod: a PodDisruptionBudget would block every drain",
    "deployment-strategy": "the JobManager and the scheduler are replaced, not doubled: two would do the same work",
    "deployment-replicas": "single instances are promised as such in docs/promises.md",
    "pod-networkpolicy": "tests/manifests/test_network.py computes the graph",
    "statefulset-has-servicename": "it requires a headless Service; a single pod does not need one",
}


def score(folder: Path) -> list[str]:
    program = shutil.which("kube-score") or str(ROOT / ".tools" / "bin" / "kube-score")
    if not Path(program).exists():
        pytest.skip("no kube-score on PATH: go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0")
    options = [word for name in IGNORED for word in ("--ignore-test", name)]
    done = subprocess.run(
        [program, "score", "-o", "json", *options, *map(str, folder.glob("*.yaml"))], capture_output=True, text=True, check=False
    )
    bad = [(o["object_name"], c) for o in json.loads(done.stdout) for c in o["checks"] if c["grade"] <= 5 and not c["skipped"]]
    return sorted({f"{name}: {c['check']['name']}: {[m['summary'] for m in c['comments'] or []]}" for name, c in bad})


def test_kube_score_reports_nothing_critical(tmp_path: Path) -> None:
    assert score(write(tmp_path, everything())) == []


def test_kube_score_finds_a_planted_violation(tmp_path: Path) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    assert score(write(tmp_path, {"planted": [pod]}))
