"""Flink processes on this machine: high availability with the configuration and the accounts of the manifests."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.manifests.rendered import MANIFESTS, ROOT, objects
from tests.manifests.server import Server

NAMESPACE = "clickstream-flink"
PYFLINK = ROOT / ".venvs/flink/lib/python3.11/site-packages/pyflink"
DRIVER = "00000000-0000-0000-0000-000000000000_flink-python.jar"


def grant(server: Server) -> None:
    """Apply Flink's roles; `Server.prepare` has applied the accounts."""
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
    """A JobManager or TaskManager with ports of its own."""

    def __init__(self, folder: Path, role: str, kubeconfig: Path, storage: Path, first_port: int) -> None:
        self.log = folder / "flink.log"
        self.rest = f"http://127.0.0.1:{first_port}"
        python = str(ROOT / ".venvs/flink/bin/python")
        shipped = yaml.safe_load((PYFLINK / "conf" / "config.yaml").read_text())
        config: dict[str, Any] = yaml.safe_load((MANIFESTS / "base" / "flink" / "config.yaml").read_text())
        # What differs on one machine: addresses, ports, paths and memory.
        config |= {
            "rest.port": first_port,
            "jobmanager.rpc.port": first_port + 1,
            "blob.server.port": first_port + 2,
            "metrics.internal.query-service.port": first_port + 3,
            "taskmanager.rpc.port": first_port + 4,
            "taskmanager.data.port": first_port + 5,
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.bind-host": "127.0.0.1",
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "jobmanager.memory.process.size": "900m",
            "taskmanager.memory.process.size": "1100m",
            "high-availability.storageDir": f"file://{storage}/ha",
            "execution.checkpointing.dir": f"file://{storage}/checkpoints",
            "kubernetes.config.file": str(kubeconfig),
            "web.tmpdir": str(folder),
            "web.upload.dir": str(folder / "upload"),
            "io.tmp.dirs": str(folder),
            "python.client.executable": python,
            "python.executable": python,
            "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],
        }
        for name in ("conf", "log", "upload/flink-web-upload"):
            (folder / name).mkdir(parents=True)
        (folder / "conf" / "config.yaml").write_text(yaml.safe_dump(config, width=10_000))
        (folder / "conf" / "log4j-console.properties").write_text((MANIFESTS / "base/flink/log4j-console.properties").read_text())
        (folder / "upload/flink-web-upload" / DRIVER).symlink_to(next(PYFLINK.glob("opt/flink-python-*.jar")))
        paths = {f"FLINK_{name.upper()}_DIR": str(folder / name) for name in ("conf", "log")}
        environment = dict(os.environ) | paths | {"FLINK_HOME": str(PYFLINK), "FLINK_PID_DIR": str(folder)}
        with self.log.open("w") as log:
            command = [str(PYFLINK / "bin" / f"{role}.sh"), "start-foreground"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
