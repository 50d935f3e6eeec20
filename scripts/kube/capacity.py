"""Compares what a deployment requests with what is free on the nodes.

    python3 -m scripts.kube.capacity <<<"rendered overlay and operators"

Prints one problem per line: text, a tab, the fix. Exit code 0 also then.
"""

import math
import sys
from collections.abc import Iterable

from scripts.kube import kubectl
from scripts.kube.kubectl import KubectlError, Object

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3}
GIB = 2**30
NAMESPACES = "clickstream-"
# As plugins/clickstream/runtime/pod_specs.py makes the pods of a nightly run; a test compares.
OVERHEAD_MIB, OVERHEAD_SHARE, CPUS_PER_CORE = 512, 0.4, 0.5
DEFAULTS = {"DRIVER_MEMORY": "1g", "EXECUTOR_MEMORY": "2g", "EXECUTOR_CORES": "1"}
EXECUTORS, TOOL = 2, (0.1, 0.5 * 2**30)
Size = tuple[float, float]


def quantity(text: str) -> float:
    """Returns a Kubernetes quantity as a number."""
    unit = next((unit for unit in UNITS if str(text).endswith(unit)), "")
    return float(str(text).removesuffix(unit)) * UNITS.get(unit, 1.0)


def pod_size(spec: Object) -> Size:
    """Returns the CPUs and bytes that a pod requests: the larger of its containers together and of each init container."""
    sums = []
    for name in ("cpu", "memory"):
        containers = sum(_request(container, name) for container in spec["containers"])
        first = max((_request(container, name) for container in spec.get("initContainers", [])), default=0.0)
        sums.append(max(containers, first))
    return sums[0], sums[1]


def _request(container: Object, name: str) -> float:
    return quantity(container.get("resources", {}).get("requests", {}).get(name, "0"))


def requested(objects: Iterable[Object]) -> list[tuple[str, Size]]:
    """Returns the name and the requests of each pod that the objects make, Ray's and its autoscaler included."""
    pods: list[tuple[str, Size]] = []
    for item in objects:
        name, spec = item["metadata"]["name"], item.get("spec", {})
        if item["kind"] in ("Deployment", "StatefulSet"):
            pods += [(name, pod_size(spec["template"]["spec"]))] * spec.get("replicas", 1)
        elif item["kind"] in ("RayCluster", "RayService"):
            pods += _ray_pods(name, spec.get("rayClusterConfig", spec))
    return pods


def _ray_pods(name: str, spec: Object) -> list[tuple[str, Size]]:
    """Returns the head with the autoscaler's container, and the least number of workers."""
    cpu, memory = pod_size(spec["headGroupSpec"]["template"]["spec"])
    autoscaler = spec.get("autoscalerOptions", {}) if spec.get("enableInTreeAutoscaling") else {}
    head = (f"{name} head", (cpu + _request(autoscaler, "cpu"), memory + _request(autoscaler, "memory")))
    groups = spec.get("workerGroupSpecs", [])
    return [head, *((f"{name} worker", pod_size(g["template"]["spec"])) for g in groups for _ in range(g.get("minReplicas", 0)))]


def training(objects: Iterable[Object]) -> list[tuple[str, Size]]:
    """Returns the worker that a training needs, and its tool."""
    groups = [group for item in objects if item["kind"] == "RayCluster" for group in item["spec"].get("workerGroupSpecs", [])]
    return [("train worker", pod_size(group["template"]["spec"])) for group in groups] + [("tool", TOOL)]


def nightly(objects: Iterable[Object]) -> list[tuple[str, Size]]:
    """Returns the pods of a nightly run beside the workloads: a Spark driver, two executors, and a tool."""
    maps = [item["data"] for item in objects if item["kind"] == "ConfigMap" and "CLICKSTREAM_RUNTIME" in item.get("data", {})]
    settings = maps[0] if maps else {}
    values = {name: settings.get(f"CLICKSTREAM_SPARK_{name}", default) for name, default in DEFAULTS.items()}
    driver = spark_size(1, values["DRIVER_MEMORY"])
    executor = spark_size(int(values["EXECUTOR_CORES"]), values["EXECUTOR_MEMORY"])
    return [("spark driver", driver), *[("spark executor", executor)] * EXECUTORS, ("tool", TOOL)]


def spark_size(cores: int, heap: str) -> Size:
    """Returns the requests of a Spark pod: its heap and what Python and the JVM need besides."""
    heap_mib = int(heap[:-1]) * {"m": 1, "g": 1024}[heap[-1]]
    return CPUS_PER_CORE * cores, (heap_mib + max(OVERHEAD_MIB, math.ceil(heap_mib * OVERHEAD_SHARE))) * 2.0**20


def total(sizes: Iterable[Size]) -> Size:
    """Returns the sum of sizes."""
    listed = list(sizes)
    return sum(cpu for cpu, _ in listed), sum(memory for _, memory in listed)


def is_usable(node: Object) -> bool:
    """Whether pods without tolerations may run on a node."""
    taints = node["spec"].get("taints", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    return ready and not node["spec"].get("unschedulable") and not any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in taints)


def free(nodes: list[Object], pods: list[Object]) -> list[Size]:
    """Returns what is free on each usable node; pods of this project's earlier deployment count as free."""
    sizes = []
    for node in (node for node in nodes if is_usable(node)):
        used = [
            pod_size(pod["spec"])
            for pod in pods
            if pod["spec"].get("nodeName") == node["metadata"]["name"]
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
            and not pod["metadata"]["namespace"].startswith(NAMESPACES)
        ]
        cpu, memory = total(used)
        allocatable = node["status"]["allocatable"]
        sizes.append((quantity(allocatable["cpu"]) - cpu, quantity(allocatable["memory"]) - memory))
    return sizes


def problems(objects: list[Object], nodes: list[Object], pods: list[Object]) -> list[tuple[str, str]]:
    """Returns what is missing, each with its fix."""
    workloads, batch = requested(objects), (nightly(objects), training(objects))
    available = free(nodes, pods)
    # A nightly run and a training follow each other.
    peaks = [total(size for _, size in [*workloads, *pods]) for pods in batch]
    cpu, memory = max(peak[0] for peak in peaks), max(peak[1] for peak in peaks)
    free_cpu, free_memory = total(available)
    excluded = len(nodes) - len(available)
    where = f"on {len(available)} nodes" + (f"; {excluded} nodes are tainted, cordoned or not ready" if excluded else "")
    listed = []
    if free_cpu < cpu:
        listed.append((f"free CPU is {free_cpu:.1f} ({where}); {cpu:.1f} are requested", "add nodes or CPUs, or stop other pods"))
    if free_memory < memory:
        text = f"free memory is {free_memory / GIB:.1f} GiB ({where}); {memory / GIB:.1f} GiB are requested"
        listed.append((text, "add nodes or memory, or stop other pods"))
    largest = max([*workloads, *batch[0], *batch[1]], key=lambda pod: pod[1][1])
    if available and not any(node[0] >= largest[1][0] and node[1] >= largest[1][1] for node in available):
        text = f"no node has {largest[1][0]:.1f} CPUs and {largest[1][1] / GIB:.1f} GiB free for the largest pod, {largest[0]}"
        listed.append((text, "add a larger node"))
    return listed


def main() -> int:
    """Print the problems; returns the exit code."""
    try:
        objects = kubectl.parse_rendered(sys.stdin.read())
        listed = problems(objects, kubectl.get("nodes"), kubectl.get("pods", "-A"))
    except KubectlError as error:
        listed = [(f"the free capacity is unknown: {error}", "use an account that may list nodes and pods")]
    for text, fix in listed:
        print(f"{text}\t{fix}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
