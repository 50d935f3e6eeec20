"""kubectl against a test API server with real CRDs and real admission."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tenacity import retry, stop_after_attempt, wait_fixed

from tests.manifests import operators
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, kustomize, objects, program

# The External Secrets Operator is no part of a deployment, so its CRD comes from its Go module.
EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets@v1.3.2"
EXTERNAL_SECRETS_CRD = "config/crds/bases/external-secrets.io_externalsecrets.yaml"


def external_secrets_crd() -> Path:
    """The CRD ExternalSecret, downloaded if need be."""
    go = shutil.which("go")
    if not go:
        pytest.skip("no `go` on PATH: it fetches the custom resource definition of External Secrets")
    done = subprocess.run([go, "mod", "download", "-json", EXTERNAL_SECRETS], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"]) / EXTERNAL_SECRETS_CRD


class Server:
    """kubectl on one cluster."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self._command = [program("kubectl"), "--kubeconfig", kubeconfig]

    def run(self, *arguments: str, resources: list[Object] | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl with these arguments and the objects as its input."""
        text = yaml.safe_dump_all(resources) if resources is not None else None
        return subprocess.run([*self._command, *arguments], input=text, capture_output=True, text=True, check=False)

    def run_checked(self, *arguments: str, resources: list[Object] | None = None) -> str:
        """Run kubectl and assert success; returns stdout."""
        done = self.run(*arguments, resources=resources)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(self) -> None:
        """The CRDs, the namespaces and the service accounts, for real."""
        operators.folder()
        crds = [t for t in yaml.safe_load_all(kustomize(MANIFESTS / "operators")) if t["kind"] == "CustomResourceDefinition"]
        self.run_checked("apply", "--server-side", "--force-conflicts", "-f", "-", resources=crds)
        self.run_checked("apply", "--server-side", "--force-conflicts", "-f", str(external_secrets_crd()))
        self._established()
        self.create_namespaces()

    def create_namespaces(self) -> None:
        """The namespaces and the service accounts of all overlays; a test of the teardown has deleted them."""
        unique = {str(t["metadata"]): t for render in RENDERS for t in objects(render) if t["kind"] in {"Namespace", "ServiceAccount"}}
        for kind in ("Namespace", "ServiceAccount"):
            self.run_checked(
                "apply", "--server-side", "--force-conflicts", "-f", "-", resources=[t for t in unique.values() if t["kind"] == kind]
            )

    # kubectl wait fails at once for a CRD that has no conditions yet.
    @retry(stop=stop_after_attempt(5), wait=wait_fixed(2), reraise=True)
    def _established(self) -> None:
        self.run_checked("wait", "--for", "condition=Established", "crd", "--all", "--timeout", "60s")

    def dry_run(self, resources: list[Object]) -> subprocess.CompletedProcess[str]:
        """Server-side dry run: defaulting, strict field validation and admission run, nothing is stored."""
        arguments = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
        return self.run(*arguments, resources=resources)
