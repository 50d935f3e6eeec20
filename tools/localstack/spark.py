"""Spark standalone: one master, two workers, and the Connect server whose sessions the batch apps are. They share a secret.

One server for all apps: a JVM that starts anew for each of them spends a minute of a night's task on its own warming up.
"""

import shutil
from pathlib import Path
from typing import Any

from tools.localstack import health
from tools.localstack.java import LIGHT, WORKING
from tools.localstack.layout import ROOT, Stack, installed, write_private
from tools.localstack.part import Health, Part

WORKERS = 2
CONNECT = "spark-connect"
# A server without memory would answer nobody; one that ends is started anew.
PLANNING = " ".join((*LIGHT, "-XX:+ExitOnOutOfMemoryError"))


def parts(stack: Stack) -> list[Part]:
    """The master, its workers and the server."""
    page = f"http://127.0.0.1:{stack.settings.spark_page_port}"
    flags = ("--host", "127.0.0.1", "--port", str(stack.settings.spark_port), "--webui-port", str(stack.settings.spark_page_port))
    master = Part(
        name="spark-master",
        argv=(_spark_class(), "org.apache.spark.deploy.master.Master", *flags),
        address=page,
        health=health.http_json(f"{page}/json/", lambda body: "" if body["status"] == "ALIVE" else f"master is {body['status']}"),
        **_common(stack) | {"prepare": lambda: _prepare_master(stack)},
    )
    return [master, *(_worker(stack, number, page) for number in range(1, WORKERS + 1)), _server(stack, page)]


def _worker(stack: Stack, number: int, master_page: str) -> Part:
    port = stack.settings.spark_page_port + number
    work = stack.folder("spark", f"worker-{number}")
    sizes = ("--cores", "2", "--memory", stack.settings.spark_executor_memory, "--work-dir", str(work))
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


def _server(stack: Stack, master_page: str) -> Part:
    conf, port = stack.folder("spark") / "connect" / "spark-defaults.conf", stack.settings.spark_connect_port
    what = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--name", CONNECT, "spark-internal")
    common = _common(stack)
    # Spark counts this server among its daemons, whose memory is no part of its own configuration.
    size = {"SPARK_DAEMON_MEMORY": stack.settings.spark_driver_memory, "SPARK_DAEMON_JAVA_OPTS": PLANNING}
    return Part(
        name=CONNECT,
        argv=(_spark_class(), "org.apache.spark.deploy.SparkSubmit", "--master", stack.settings.spark_master, *what),
        address=stack.settings.spark_remote,
        health=_answering(port, master_page),
        needs=("spark-master",),
        after=tuple(f"spark-worker-{number}" for number in range(1, WORKERS + 1)),
        **common | {"env": common["env"] | size | {"SPARK_CONF_DIR": str(conf.parent)}, "prepare": lambda: _write(conf, _connect(stack))},
    )


def _answering(port: int, master_page: str) -> Health:
    """The server listens, and its executors come from the master that stands now."""

    def known(body: Any) -> str:
        return "" if CONNECT in [app["name"] for app in body["activeapps"]] else "not registered with the master"

    listening, registered = health.tcp(port), health.http_json(f"{master_page}/json/", known)
    return lambda since: listening(since) or registered(since)


def _connect(stack: Stack) -> dict[str, str]:
    jars = f"{ROOT}/.jars/spark/*"
    return _secret(stack) | {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(stack.settings.spark_connect_port),
        "spark.connect.authenticate.token": stack.secret("spark_token"),
        # What an app that is gone had begun ends after this time; Airflow waits longer before it tries again.
        "spark.connect.execute.manager.detachedTimeout": "30s",
        # Its plans hold a table as it was before the app wrote to it.
        "spark.connect.session.planCache.enabled": "false",
        "spark.log.level": "WARN",
        "spark.ui.enabled": "false",
        # All executors see the same disk: `--jars` would copy 110 MB to each of them.
        "spark.driver.extraClassPath": jars,
        "spark.executor.extraClassPath": jars,
        "spark.executor.memory": stack.settings.spark_executor_memory,
        "spark.executor.extraJavaOptions": " ".join(WORKING[stack.settings.jit]),
        # A small night is done by one executor, which stays warm for the next app; a second one comes when tasks wait for long.
        "spark.executor.cores": "2",
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.initialExecutors": "1",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.executorIdleTimeout": "300s",
        "spark.dynamicAllocation.shuffleTracking.timeout": "300s",
        "spark.dynamicAllocation.maxExecutors": str(WORKERS),
        "spark.dynamicAllocation.schedulerBacklogTimeout": "20s",
    }


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
    return {"home": home, "env": env, "prepare": lambda: _prepare(stack), "stop_seconds": 8}


def pyspark() -> Path:
    """The installed Spark."""
    return installed(".venvs/spark/lib", "python*/site-packages/pyspark")


def _spark_class() -> str:
    return str(pyspark() / "bin" / "spark-class")


def _prepare(stack: Stack) -> None:
    daemons = {
        # Submits without any secret, on a port of its own.
        "spark.master.rest.enabled": "false",
        # Logs and jars of finished applications go after a day.
        "spark.worker.cleanup.enabled": "true",
        "spark.worker.cleanup.appDataTtl": "86400",
        # A master that is started anew would not know the server, and the server would wait for executors for ever.
        "spark.deploy.recoveryMode": "FILESYSTEM",
        "spark.deploy.recoveryDirectory": str(_recovery(stack)),
    }
    _write(stack.folder("spark") / "conf" / "spark-defaults.conf", _secret(stack) | daemons)


def _prepare_master(stack: Stack) -> None:
    # What a master that was killed knew is for the one that replaces it, not for the next start of the stack.
    shutil.rmtree(_recovery(stack), ignore_errors=True)
    _prepare(stack)


def _recovery(stack: Stack) -> Path:
    return stack.folder("spark") / "recovery"


def _secret(stack: Stack) -> dict[str, str]:
    return {"spark.authenticate": "true", "spark.authenticate.secret": stack.secret("spark_auth")}


def _write(path: Path, conf: dict[str, str]) -> None:
    write_private(path, "".join(f"{key} {value}\n" for key, value in conf.items()))
