"""Which part listens on which port. Standard library only: the doctor asks before any environment exists."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickstream_contracts.settings import Settings

GRPC = 10_000
# The interface, two pages of HAProxy, and the replicas behind it.
SERVE_PORTS = 10


def ports(settings: Settings) -> dict[str, tuple[str, tuple[int, ...]]]:
    """For each part that listens: the setting that moves its ports, and the ports."""
    s3 = [settings.s3_port + offset for offset in range(4)]
    with_grpc = (*s3, *(port + GRPC for port in s3))
    page, rpc = settings.spark_page_port, settings.flink_rpc_port
    own = {} if settings.s3_server == "external" else {"s3": ("s3_port", with_grpc if settings.s3_server == "seaweedfs" else tuple(s3[:2]))}
    return {
        **own,
        "nessie": ("nessie_port", (settings.nessie_port, settings.nessie_port + 1)),
        "kafka": ("kafka_port", (settings.kafka_port, settings.kafka_port + 1)),
        "flink-jobmanager": ("flink_port", (settings.flink_port,)),
        "flink-jobmanager-rpc": ("flink_rpc_port", (rpc, rpc + 1)),
        "flink-taskmanager": ("flink_rpc_port", (rpc + 2, rpc + 3)),
        "spark-master": ("spark_port", (settings.spark_port,)),
        "spark-master-page": ("spark_page_port", (page,)),
        "spark-connect": ("spark_connect_port", (settings.spark_connect_port,)),
        "spark-worker-1": ("spark_page_port", (page + 1,)),
        "spark-worker-2": ("spark_page_port", (page + 2,)),
        "ray-head": ("ray_port", (settings.ray_port,)),
        "ray-head-dashboard": ("ray_dashboard_port", (settings.ray_dashboard_port,)),
        "ray-head-serve": ("serve_port", tuple(settings.serve_port + offset for offset in range(SERVE_PORTS))),
        "airflow-api-server": ("airflow_port", (settings.airflow_port,)),
    }


def taken(settings: Settings, part: str = "") -> list[tuple[str, str]]:
    """Ports (of one part, or of all) that somebody already listens on, each with its cure."""
    found = []
    for name, (setting, numbers) in ports(settings).items():
        if not name.startswith(part):
            continue
        for port in numbers:
            if is_taken(port):
                cure = f"stop it, or move the stack's: CLICKSTREAM_{setting.upper()}=<another port>"
                found.append((f"port {port} of {name} is taken by {owner(port)}", cure))
    return found


def is_taken(port: int) -> bool:
    """Whether a server could not listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return _is_answered(port)
    return False


def _is_answered(port: int) -> bool:
    """Whether somebody listens. Connections that an ended server left behind hold its port for a minute, and then let it go."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != errno.ECONNREFUSED


def owner(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    try:
        import psutil

        pids = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid]
        return f"{psutil.Process(pids[0]).name()} (process {pids[0]})" if pids else "a program of another user"
    except (ImportError, RuntimeError, OSError):
        return "another program"
    except Exception as error:
        # psutil's own errors share no base class with the standard library's.
        return f"another program ({type(error).__name__})"
