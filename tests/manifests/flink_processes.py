"""Flink processes on this machine: high availability with the configuration and the accounts of the manifests."""

import os
import signal
from pathlib import Path
from typing import Any

import yaml

from tests import flink_process
from tests.manifests.rendered import MANIFESTS, objects
from tests.manifests.server import Server

NAMESPACE = "clickstream-flink"


def grant(server: Server) -> None:
    """Apply Flink's accounts and roles."""
    server.create_namespaces()
    kinds = {"Role", "RoleBinding"}
    roles = [t for t in objects("local") if t["kind"] in kinds and t["metadata"]["namespace"] == NAMESPACE]
    assert len(roles) == 4
    server.run_checked("apply", "--server-side", "--force-conflicts", "-f", "-", resources=roles)


def kubeconfig(server: Server, account: str, path: Path) -> Path:
    """Write a kubeconfig with a token of the account."""
    admin = yaml.safe_load(Path(server.kubeconfig).read_text())
    token = server.run_checked("-n", NAMESPACE, "create", "token", account, "--duration", "1h").strip()
    context = {"cluster": admin["clusters"][0]["name"], "user": "flink"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": admin["clusters"],
        "users": [{"name": "flink", "user": {"token": token}}],
        "contexts": [{"name": "flink", "context": context}],
        "current-context": "flink",
    }
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


class Process:
    """A JobManager or TaskManager with the configuration of the manifests and ports of its own."""

    def __init__(self, folder: Path, role: str, kubeconfig: Path, storage: Path, first_port: int) -> None:
        self.log = folder / "flink.log"
        self.rest = f"http://127.0.0.1:{first_port}"
        config: dict[str, Any] = yaml.safe_load((MANIFESTS / "base" / "flink" / "config.yaml").read_text())
        config |= flink_process.local_config(folder, first_port)
        config |= {
            "metrics.internal.query-service.port": first_port + 5,
            "jobmanager.bind-host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.memory.process.size": "1100m",
            "high-availability.storageDir": f"file://{storage}/ha",
            "execution.checkpointing.dir": f"file://{storage}/checkpoints",
            "kubernetes.config.file": str(kubeconfig),
            "web.tmpdir": str(folder),
        }
        flink_process.prepare(folder, config)
        log4j = MANIFESTS / "base/flink/log4j-console.properties"
        (folder / "conf" / log4j.name).write_text(log4j.read_text())
        self.process = flink_process.start(folder, role, self.log)

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
