"""Spark standalone: one master, two workers. All of its processes share a secret."""

from pathlib import Path
from typing import Any

from tools.stack import health
from tools.stack.java import LIGHT
from tools.stack.layout import ROOT, Stack, installed, write_private
from tools.stack.part import Part

WORKERS = 2


def parts(stack: Stack) -> list[Part]:
    """The master and its workers."""
    page = f"http://127.0.0.1:{stack.settings.spark_page_port}"
    flags = ("--host", "127.0.0.1", "--port", str(stack.settings.spark_port), "--webui-port", str(stack.settings.spark_page_port))
    master = Part(
        name="spark-master",
        argv=(_spark_class(), "org.apache.spark.deploy.master.Master", *flags),
        address=page,
        health=health.http_json(f"{page}/json/", lambda body: "" if body["status"] == "ALIVE" else f"master is {body['status']}"),
        **_common(stack),
    )
    return [master, *(_worker(stack, number, page) for number in range(1, WORKERS + 1))]


def _worker(stack: Stack, number: int, master_page: str) -> Part:
    port = stack.settings.spark_page_port + number
    work = stack.folder("spark", f"worker-{number}")
    sizes = ("--cores", "1", "--memory", stack.settings.spark_executor_memory, "--work-dir", str(work))
    where = ("--host", "127.0.0.1", "--webui-port", str(port))

    def registered(body: Any) -> str:
        states = [worker["state"] for worker in body["workers"] if worker["webuiaddress"].endswith(f":{port}")]
        return "" if "ALIVE" in states else "not registered with the master yet"

    return Part(
        name=f"spark-worker-{number}",
        argv=(_spark_class(), "org.apache.spark.deploy.worker.Worker", *sizes, *where, stack.settings.spark_master),
        address=f"http://127.0.0.1:{port}",
        health=health.http_json(f"{master_page}/json/", registered),
        needs=("spark-master",),
        **_common(stack),
    )


def _common(stack: Stack) -> dict[str, Any]:
    home = stack.folder("spark")
    env = {
        "SPARK_HOME": str(pyspark()),
        "SPARK_CONF_DIR": str(home / "conf"),
        # Also keeps the pages of masters, workers and executors away from strangers.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": " ".join(LIGHT),
        "PYSPARK_PYTHON": str(ROOT / ".venvs" / "spark" / "bin" / "python"),
        "AWS_REGION": stack.settings.s3_region,
    }
    return {"home": home, "env": env, "prepare": lambda: _prepare(stack, home), "stop_seconds": 8}


def pyspark() -> Path:
    """The installed Spark."""
    return installed(".venvs/spark/lib", "python*/site-packages/pyspark")


def _spark_class() -> str:
    return str(pyspark() / "bin" / "spark-class")


def _prepare(stack: Stack, home: Path) -> None:
    defaults = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": stack.secret("spark_auth"),
        # Submits without any secret, on a port of its own.
        "spark.master.rest.enabled": "false",
        # Logs and jars of finished applications go after a day.
        "spark.worker.cleanup.enabled": "true",
        "spark.worker.cleanup.appDataTtl": "86400",
    }
    write_private(home / "conf" / "spark-defaults.conf", "".join(f"{key} {value}\n" for key, value in defaults.items()))
