"""Which component listens on which port. Standard library only: the doctor runs before any environment exists."""

from __future__ import annotations

import contextlib
import errno
import pwd
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickstream_contracts.settings import Settings

# SeaweedFS opens a gRPC port this far above each of its ports.
GRPC_OFFSET = 10_000
HIGHEST = 65_535
# The state of a listening socket in /proc/net/tcp.
LISTEN = "0A"
# The HTTP interface, HAProxy's two pages, the fallback proxy's two ports, and those of the replicas.
SERVE_PORTS = 10


def ports(settings: Settings) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Returns for each listener the setting that moves its ports, and the ports. Names begin with the component's name."""
    spark_page, flink_rpc = settings.spark_page_port, settings.flink_rpc_port
    return {
        **_s3_ports(settings),
        "nessie": ("nessie_port", (settings.nessie_port, settings.nessie_port + 1)),
        "kafka": ("kafka_port", (settings.kafka_port, settings.kafka_port + 1)),
        "flink-jobmanager": ("flink_port", (settings.flink_port,)),
        "flink-jobmanager-rpc": ("flink_rpc_port", (flink_rpc, flink_rpc + 1)),
        "flink-taskmanager": ("flink_rpc_port", (flink_rpc + 2, flink_rpc + 3)),
        "spark-master": ("spark_port", (settings.spark_port,)),
        "spark-master-page": ("spark_page_port", (spark_page,)),
        "spark-connect": ("spark_connect_port", (settings.spark_connect_port,)),
        "spark-worker-1": ("spark_page_port", (spark_page + 1,)),
        "spark-worker-2": ("spark_page_port", (spark_page + 2,)),
        "ray-head": ("ray_port", (settings.ray_port,)),
        "ray-head-dashboard": ("ray_dashboard_port", (settings.ray_dashboard_port,)),
        "ray-head-serve": ("serve_port", tuple(settings.serve_port + offset for offset in range(SERVE_PORTS))),
        "airflow-api-server": ("airflow_port", (settings.airflow_port,)),
    }


def _s3_ports(settings: Settings) -> dict[str, tuple[str, tuple[int, ...]]]:
    first = settings.s3_port
    if settings.s3_server == "external":
        return {}
    if settings.s3_server == "minio":
        return {"s3": ("s3_port", (first, first + 1))}
    http = [first + offset for offset in range(4)]
    return {"s3": ("s3_port", (*http, *(port + GRPC_OFFSET for port in http)))}


def problems(settings: Settings) -> list[tuple[str, str]]:
    """Returns a problem and its fix for each port that cannot exist, that two components would use, or that a program listens on."""
    return impossible(settings) or in_use(settings)


def impossible(settings: Settings) -> list[tuple[str, str]]:
    """Returns a problem and its fix for each port above 65535, and for each that two components would use."""
    problems = []
    users: dict[int, str] = {}
    for name, (setting, numbers) in ports(settings).items():
        value, highest = getattr(settings, setting), max(numbers)
        if highest > HIGHEST:
            fix = f"set it to at most {value - highest + HIGHEST}"
            problems.append((f"{_variable(setting)}={value}: {name} would use port {highest}", fix))
            continue
        for port in numbers:
            if port in users:
                problems.append((f"port {port} is set for {users[port]} and for {name}", f"set {_variable(setting)} to another port"))
            users[port] = f"{name} ({_variable(setting)})"
    return problems


def _variable(setting: str) -> str:
    return f"CLICKSTREAM_{setting.upper()}"


def in_use(settings: Settings, component: str = "") -> list[tuple[str, str]]:
    """Returns a problem and its fix for each port (of one component, or of all) that another program listens on."""
    problems = []
    for name, (setting, numbers) in ports(settings).items():
        if not name.startswith(component):
            continue
        for port in numbers:
            if is_in_use(port):
                fix = f"stop it or set {_variable(setting)} to another port"
                problems.append((f"port {port} ({name}) is already in use by {owner(port)}", fix))
    return problems


def is_in_use(port: int) -> bool:
    """Whether a server could not listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return _accepts_connections(port)
    return False


def _accepts_connections(port: int) -> bool:
    """Whether a server listens: connections in TIME_WAIT also make bind() fail, but only for a minute."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != errno.ECONNREFUSED


def _user(port: int) -> str:
    """Returns the name of the user whose program listens on a port, or the number of a user without a name."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, uid, *_ = line.split()
            if state == LISTEN and int(local.rpartition(":")[2], 16) == port:
                with contextlib.suppress(KeyError):
                    return pwd.getpwuid(int(uid)).pw_name
                return uid
    return "unknown"


def owner(port: int) -> str:
    """Returns the program that listens on a port, as far as this user may see it."""
    try:
        import psutil

        pids = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid]
        return f"{psutil.Process(pids[0]).name()} (pid {pids[0]})" if pids else f"a program of user {_user(port)}"
    except (ImportError, RuntimeError, OSError):
        return "another program"
    except Exception as error:
        # psutil's own errors share no base class with the standard library's.
        return f"another program ({type(error).__name__})"
