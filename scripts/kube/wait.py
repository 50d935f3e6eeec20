"""Waits until rendered workloads are ready, or until a Job has ended, and prints what it waits for.

It ends early when a pod cannot start: with the reason and the last lines of its log.

    python3 -m scripts.kube.wait workloads SECONDS <rendered.yaml
    python3 -m scripts.kube.wait job SECONDS NAMESPACE NAME
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable

from scripts.kube import kubectl
from scripts.kube.kubectl import KubectlError, Object
from scripts.kube.pods import CONFIG_REASONS, IMAGE_REASONS, SECONDS, Problem, current_pods, problems
from scripts.kube.workloads import KINDS, WorkloadFailed, missing, old_head

POLL_SECONDS = 2.0
PART_OF = "app.kubernetes.io/part-of=clickstream"
# A container of a Job that exits with an error is started again: CrashLoopBackOff is not the end.
JOB_REASONS = IMAGE_REASONS | CONFIG_REASONS | {"Unschedulable"}


class WaitFailed(RuntimeError):
    """What was waited for did not come, or cannot come; the text says why and what to look at."""


class Watch:
    """Remembers what was printed, and since when each problem lasts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = time.monotonic()
        self._printed: dict[str, str] = {}
        self._since: dict[tuple[str, str, str, str], float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def show(self, name: str, text: str) -> None:
        """Print a line about `name` if it is another one than before."""
        if self._printed.get(name) != text:
            self._printed[name] = text
            print(f"  {self.elapsed:4.0f} s  {name}: {text}", file=sys.stderr, flush=True)

    def check(self, current: list[Problem]) -> None:
        """Print new problems. Raises WaitFailed for one that has lasted too long."""
        now = time.monotonic()
        self._since = {problem.key: self._since.get(problem.key, now) for problem in current}
        for problem in current:
            self.show(f"{problem.namespace}/{problem.pod}", f"{problem.container} {problem.reason}: {problem.message}".strip())
            if now - self._since[problem.key] >= SECONDS[problem.reason]:
                raise WaitFailed(f"{problem}\n{_details(problem)}")


def _details(problem: Problem) -> str:
    """Returns the end of the container's log, or of the crash before, and the command that shows more."""
    lines = ""
    if problem.container and problem.reason == "CrashLoopBackOff":
        pod = (problem.pod, "-c", problem.container)
        lines = kubectl.logs(problem.namespace, *pod, "--previous") or kubectl.logs(problem.namespace, *pod)
    shown = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"{shown}    run: kubectl -n {problem.namespace} describe pod {problem.pod}"


def wait_for_workloads(workloads: list[Object], seconds: float) -> None:
    """Wait until all workloads are ready. Raises WaitFailed when a pod cannot start, or after `seconds`."""
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for workload in workloads:
        by_namespace[workload["metadata"]["namespace"]].append(f"{KINDS[workload['kind']]}/{workload['metadata']['name']}")
    watch = Watch(seconds)
    while by_namespace:
        waiting = {name: _missing(name, resources, watch) for name, resources in by_namespace.items()}
        by_namespace = {name: by_namespace[name] for name, resources in waiting.items() if resources}
        if not by_namespace:
            return
        watch.check([problem for namespace in by_namespace for problem in _problems(namespace)])
        if watch.elapsed >= seconds:
            first = next(iter(by_namespace))
            text = "; ".join(f"{name}: {resource}" for name, resources in waiting.items() for resource in resources)
            raise WaitFailed(f"not ready after {seconds:.0f} s: {text}\n    run: kubectl -n {first} describe pods")
        time.sleep(POLL_SECONDS)


def _missing(namespace: str, resources: list[str], watch: Watch) -> list[str]:
    """Returns what the workloads of a namespace wait for, and prints it."""
    workloads = kubectl.get("-n", namespace, *resources)
    names = {f"{KINDS[workload['kind']]}/{workload['metadata']['name']}" for workload in workloads}
    waiting = [f"{resource}: does not exist" for resource in resources if resource not in names]
    for workload in workloads:
        name = f"{workload['kind']} {workload['metadata']['name']}"
        try:
            text = missing(workload) or _old_pods(namespace, workload)
        except WorkloadFailed as error:
            raise WaitFailed(f"{namespace}: {name}: {error}\n    run: kubectl -n {namespace} get pods") from None
        watch.show(f"{namespace} {name}", text or "ready")
        waiting += [f"{name}: {text}"] if text else []
    return waiting


def _old_pods(namespace: str, workload: Object) -> str:
    """Returns the pods of a RayCluster that are still to be replaced; the other controllers say so in their status."""
    if workload["kind"] != "RayCluster":
        return ""
    selector = f"ray.io/cluster={workload['metadata']['name']},ray.io/node-type=head"
    return old_head(workload, kubectl.get("-n", namespace, "pods", "-l", selector))


def _problems(namespace: str) -> list[Problem]:
    pods = kubectl.get("-n", namespace, "pods", "-l", PART_OF)
    replica_sets = kubectl.get("-n", namespace, "replicasets", "-l", PART_OF)
    return [problem for pod in current_pods(pods, replica_sets) for problem in problems(pod)]


def wait_for_job(namespace: str, name: str, seconds: float) -> None:
    """Wait until a Job is complete. Raises WaitFailed when it failed, when its pod cannot start, or after `seconds`."""
    watch = Watch(seconds)
    while True:
        job = kubectl.get("-n", namespace, "jobs.batch", name)[0]
        # SuccessCriteriaMet and FailureTarget come before Complete and Failed, and are not the end.
        states = {c["type"]: c for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"}
        if "Complete" in states:
            return
        if "Failed" in states:
            reason = f"{states['Failed'].get('reason', '')} {states['Failed'].get('message', '')}".strip()
            raise WaitFailed(f"job {namespace}/{name} failed: {reason}; run: kubectl -n {namespace} describe job {name}")
        counts = {key: job.get("status", {}).get(key, 0) for key in ("active", "failed")}
        watch.show(f"{namespace} job {name}", f"running, {counts['failed']} failed pods" if counts["active"] else "waits for its pod")
        pods = kubectl.get("-n", namespace, "pods", "-l", f"batch.kubernetes.io/job-name={name}")
        watch.check([problem for pod in pods for problem in problems(pod) if problem.reason in JOB_REASONS])
        if watch.elapsed >= seconds:
            raise WaitFailed(f"job {namespace}/{name}: not finished after {seconds:.0f} s; run: kubectl -n {namespace} describe job {name}")
        time.sleep(POLL_SECONDS)


def rendered_workloads() -> list[Object]:
    """Returns the workloads of the YAML on standard input."""
    return [item for item in kubectl.parse_rendered(sys.stdin.read()) if item["kind"] in KINDS]


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 ready or complete, 1 otherwise."""
    commands: dict[str, Callable[[], None]] = {
        "workloads": lambda: wait_for_workloads(rendered_workloads(), float(arguments[1])),
        "job": lambda: wait_for_job(arguments[2], arguments[3], float(arguments[1])),
    }
    try:
        commands[arguments[0]]()
    except (WaitFailed, KubectlError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
