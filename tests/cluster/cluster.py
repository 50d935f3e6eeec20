"""A deployment on a throw-away cluster, for tests: kubectl, the scripts, Airflow's and the tools' command lines."""

import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.manifests.rendered import ROOT, program
from tests.shop_day import eventually

AIRFLOW, FLINK, KAFKA, NESSIE, RAY, SPARK, STORE, TOOLS = (
    f"clickstream-{name}" for name in ("airflow", "flink", "kafka", "nessie", "ray", "spark", "object-store", "tools")
)
NAMESPACES = (AIRFLOW, FLINK, KAFKA, NESSIE, RAY, SPARK, STORE, TOOLS)
SCHEDULER = ("-n", AIRFLOW, "exec", "deploy/airflow-scheduler", "-c", "airflow", "--")
CLIENT = "test-client"
# What kubectl prints when the API server or a kubelet is busy; the same command may succeed a moment later.
TRANSIENT = ("Unable to connect", "TLS handshake timeout", "connection refused", "error dialing backend", "i/o timeout", "EOF")


@dataclass
class Cluster:
    """The cluster of a kubeconfig, and the overlay that is deployed on it."""

    kubeconfig: str
    overlay: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of kubectl and of the scripts."""
        path = f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": self.kubeconfig, "PATH": path}

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whatever its exit code."""
        command = ["kubectl", *arguments]
        return subprocess.run(command, input=stdin, env=self.env, capture_output=True, text=True, timeout=timeout, check=False)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Run kubectl, repeat it on a transient error, assert exit code 0; returns stdout."""
        for _ in range(5):
            done = self.run(*arguments, stdin=stdin, timeout=timeout)
            if done.returncode == 0 or not any(text in done.stderr for text in TRANSIENT):
                break
            time.sleep(5)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def objects(self, namespace: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Returns the objects of a kind in a namespace."""
        options = ["-l", selector] if selector else []
        return list(json.loads(self.kubectl("-n", namespace, "get", kind, *options, "-o", "json"))["items"])

    def script(self, name: str, *options: str, timeout: float = 3600) -> subprocess.CompletedProcess[str]:
        """Run scripts/NAME.sh for the overlay without a question, and print what it prints; asserts exit code 0."""
        command = [str(ROOT / "scripts" / f"{name}.sh"), "--overlay", str(self.overlay), *options]
        start = time.monotonic()
        done = subprocess.run(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False
        )
        print(f"$ {name}.sh {' '.join(options)}\n{done.stdout}exit {done.returncode} after {time.monotonic() - start:.0f} s")
        assert done.returncode == 0, done.stdout[-6000:]
        return done

    def in_scheduler(self, *command: str, timeout: float = 300) -> str:
        """Run a command in the scheduler's container; returns stdout."""
        return self.kubectl(*SCHEDULER, *command, timeout=timeout)

    def trigger(self, dag_id: str, run_id: str, **conf: Any) -> str:
        """Trigger a DAG run; returns its id."""
        self.in_scheduler("airflow", "dags", "unpause", dag_id)
        self.in_scheduler("airflow", "dags", "trigger", dag_id, "--run-id", run_id, "--conf", json.dumps(conf))
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Returns the state of a DAG run, empty if the scheduler does not respond."""
        return self.run_states(dag_id).get(run_id, "")

    def run_states(self, dag_id: str) -> dict[str, str]:
        """Returns the state of each run of a DAG by its id, empty if the scheduler does not respond."""
        rows = self._airflow_rows("dags", "list-runs", dag_id)
        return {str(row["run_id"]): str(row["state"]) for row in rows}

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Returns the state of each task of a run, empty if the scheduler does not respond."""
        rows = self._airflow_rows("tasks", "states-for-dag-run", dag_id, run_id)
        return {str(row["task_id"]): str(row["state"]) for row in rows}

    def _airflow_rows(self, *command: str) -> list[dict[str, Any]]:
        """Returns the rows that a command of Airflow prints as JSON, after warnings; empty if it fails."""
        done = self.run(*SCHEDULER, "airflow", *command, "--output", "json")
        rows = re.search(r"^\[(?=\s*[{\]]).*", done.stdout, re.MULTILINE | re.DOTALL)
        return list(json.loads(rows[0])) if done.returncode == 0 and rows else []

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 2400) -> None:
        """Wait for the end of a DAG run and assert its success."""
        eventually(lambda: self.run_state(dag_id, run_id) in {"success", "failed"}, f"{dag_id} {run_id} has ended", seconds, 10)
        assert self.run_state(dag_id, run_id) == "success", self.task_states(dag_id, run_id)

    def tool(self, module: str, *arguments: str, timeout: float = 900) -> str:
        """Run `python -m MODULE` in the client pod; asserts exit code 0, returns stdout."""
        return self.kubectl("-n", TOOLS, "exec", CLIENT, "--", "python", "-m", module, *arguments, timeout=timeout)

    def tool_succeeds(self, module: str, *arguments: str) -> bool:
        """Whether `python -m MODULE` in the client pod ends with exit code 0."""
        return self.run("-n", TOOLS, "exec", CLIENT, "--", "python", "-m", module, *arguments).returncode == 0

    def start_tool(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start `python -m MODULE` in the client pod in the background."""
        command = ["kubectl", "-n", TOOLS, "exec", CLIENT, "--", "python", "-m", module, *arguments]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def python(self, code: str, timeout: float = 300) -> str:
        """Run Python code in the client pod; returns stdout."""
        return self.kubectl("-n", TOOLS, "exec", CLIENT, "--", "python", "-c", code, timeout=timeout)

    def start_python(self, code: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start Python code in the client pod in the background."""
        command = ["kubectl", "-n", TOOLS, "exec", CLIENT, "--", "python", "-c", code, *arguments]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ready_pods(self, namespace: str, selector: str) -> dict[str, str]:
        """Returns the UIDs and the names of the ready pods that the selector matches. A StatefulSet's new pod has the old name."""
        pods = self.objects(namespace, "pods", selector)
        ready = [pod["metadata"] for pod in pods if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
        return {pod["uid"]: pod["name"] for pod in ready}

    def kill(self, namespace: str, selector: str) -> dict[str, str]:
        """End pods at once, with SIGKILL and without a grace period; returns their UIDs and names."""
        pods = [pod["metadata"] for pod in self.objects(namespace, "pods", selector) if pod["status"].get("phase") == "Running"]
        assert pods, f"no running pod {selector} in {namespace}"
        names = [pod["name"] for pod in pods]
        self.kubectl("-n", namespace, "delete", "pod", *names, "--grace-period=0", "--force", "--wait=false")
        return {pod["uid"]: pod["name"] for pod in pods}


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod's Ready condition is true."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))
