"""Spark standalone: one master, two workers, and the Spark Connect server of the batch apps. They share a secret.

One Connect server for all apps: a new driver JVM for each of them would add a minute of warm-up to every task.
"""

import shutil
from pathlib import Path
from typing import Any

from tools.localstack import code, health
from tools.localstack.java import C1_OPTIONS, DATA_PATH_OPTIONS, temporary_files
from tools.localstack.layout import ROOT, Stack, installed, write_private
from tools.localstack.units import Component, Health

WORKERS = 2
CONNECT = "spark-connect"
# After an OutOfMemoryError the server must exit, so that supervisord starts it again.
SERVER_OPTIONS = (*C1_OPTIONS, "-XX:+ExitOnOutOfMemoryError")


def components(stack: Stack) -> list[Component]:
    """Returns the master, its workers and the Connect server."""
    page = f"http://127.0.0.1:{stack.settings.spark_page_port}"
    flags = ("--host", "127.0.0.1", "--port", str(stack.settings.spark_port), "--webui-port", str(stack.settings.spark_page_port))
    master = Component(
        name="spark-master",
        argv=(_spark_class(), "org.apache.spark.deploy.master.Master", *flags),
        address=page,
        health=health.http_json(f"{page}/json/", lambda body: "" if body["status"] == "ALIVE" else f"master is {body['status']}"),
        **_common(stack) | {"prepare": lambda: _prepare_master(stack)},
    )
    return [master, *(_worker(stack, number, page) for number in range(1, WORKERS + 1)), _server(stack, page)]


def _worker(stack: Stack, number: int, master_page: str) -> Component:
    port = stack.settings.spark_page_port + number
    work = stack.folder("spark", f"worker-{number}")
    sizes = ("--cores", "2", "--memory", stack.settings.spark_executor_memory, "--work-dir", str(work))
    address = ("--host", "127.0.0.1", "--webui-port", str(port))

    def registered(body: Any) -> str:
        states = [worker["state"] for worker in body["workers"] if worker["webuiaddress"].endswith(f":{port}")]
        return "" if "ALIVE" in states else "not registered with the master yet"

    return Component(
        name=f"spark-worker-{number}",
        argv=(_spark_class(), "org.apache.spark.deploy.worker.Worker", *sizes, *address, stack.settings.spark_master),
        address=f"http://127.0.0.1:{port}",
        health=health.http_json(f"{master_page}/json/", registered),
        needs=("spark-master",),
        **_common(stack),
    )


def _server(stack: Stack, master_page: str) -> Component:
    conf, port = stack.folder("spark") / "connect" / "spark-defaults.conf", stack.settings.spark_connect_port
    main_class = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--name", CONNECT, "spark-internal")
    common = _common(stack)
    # Spark treats this server as a daemon, whose memory is set by variables and not by spark-defaults.conf.
    memory = {
        "SPARK_DAEMON_MEMORY": stack.settings.spark_driver_memory,
        "SPARK_DAEMON_JAVA_OPTS": " ".join((*SERVER_OPTIONS, *temporary_files(stack.tmp))),
    }
    return Component(
        name=CONNECT,
        argv=(_spark_class(), "org.apache.spark.deploy.SparkSubmit", "--master", stack.settings.spark_master, *main_class),
        address=stack.settings.spark_remote,
        health=_connect_health(port, master_page),
        needs=("spark-master",),
        after=tuple(f"spark-worker-{number}" for number in range(1, WORKERS + 1)),
        **common | {"env": common["env"] | memory | {"SPARK_CONF_DIR": str(conf.parent)}, "prepare": lambda: _write(conf, _connect(stack))},
    )


def _connect_health(port: int, master_page: str) -> Health:
    """Returns a probe: the server listens, and is registered with the master that runs now."""

    def registration(body: Any) -> str:
        return "" if CONNECT in [app["name"] for app in body["activeapps"]] else "not registered with the master"

    listening, registered = health.tcp(port), health.http_json(f"{master_page}/json/", registration)
    return lambda since: listening(since) or registered(since)


def _connect(stack: Stack) -> dict[str, str]:
    jars = f"{ROOT}/.jars/spark/*"
    return _secret(stack) | {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(stack.settings.spark_connect_port),
        "spark.connect.authenticate.token": stack.secret("spark_token"),
        # Queries of an app that has died are cancelled after this time; Airflow waits longer before it retries.
        "spark.connect.execute.manager.detachedTimeout": "30s",
        # A cached plan would read a table as it was before the app wrote to it.
        "spark.connect.session.planCache.enabled": "false",
        "spark.log.level": "WARN",
        "spark.ui.enabled": "false",
        # All executors share one disk: `--jars` would copy 110 MB to each of them.
        "spark.driver.extraClassPath": jars,
        "spark.executor.extraClassPath": jars,
        "spark.executor.memory": stack.settings.spark_executor_memory,
        "spark.executor.extraJavaOptions": " ".join((*DATA_PATH_OPTIONS[stack.settings.jit], *temporary_files(stack.tmp))),
        # One executor is enough for a small nightly run and stays warm for the next app; a backlog of tasks adds a second one.
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
        # Also binds the web pages of masters, workers and executors to loopback.
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": " ".join((*C1_OPTIONS, *temporary_files(stack.tmp))),
        # Of the JVM that spark-class builds its command with.
        "SPARK_LAUNCHER_OPTS": " ".join(temporary_files(stack.tmp)),
        "SPARK_LOCAL_DIRS": str(stack.tmp),
        "PYSPARK_PYTHON": str(ROOT / ".venvs" / "spark" / "bin" / "python"),
        "AWS_REGION": stack.settings.s3_region,
    }
    read = (code.environment("spark"), code.jars())
    return {"home": home, "env": env, "prepare": lambda: _prepare(stack), "stop_seconds": 8, "code": read}


def pyspark() -> Path:
    """Returns the folder of the installed Spark."""
    return installed(".venvs/spark/lib", "python*/site-packages/pyspark")


def _spark_class() -> str:
    return str(pyspark() / "bin" / "spark-class")


def _prepare(stack: Stack) -> None:
    daemons = {
        # The REST submission server has no authentication.
        "spark.master.rest.enabled": "false",
        # Logs and jars of finished applications are deleted after a day.
        "spark.worker.cleanup.enabled": "true",
        "spark.worker.cleanup.appDataTtl": "86400",
        # Without recovery, a restarted master would not know the Connect server, which would wait for executors forever.
        "spark.deploy.recoveryMode": "FILESYSTEM",
        "spark.deploy.recoveryDirectory": str(_recovery(stack)),
    }
    _write(stack.folder("spark") / "conf" / "spark-defaults.conf", _secret(stack) | daemons)


def _prepare_master(stack: Stack) -> None:
    # The recovery state is for a master that replaces a killed one, not for the next start of the stack.
    shutil.rmtree(_recovery(stack), ignore_errors=True)
    _prepare(stack)


def _recovery(stack: Stack) -> Path:
    return stack.folder("spark") / "recovery"


def _secret(stack: Stack) -> dict[str, str]:
    return {"spark.authenticate": "true", "spark.authenticate.secret": stack.secret("spark_auth")}


def _write(path: Path, conf: dict[str, str]) -> None:
    write_private(path, "".join(f"{key} {value}\n" for key, value in conf.items()))
