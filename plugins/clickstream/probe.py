"""Kubernetes probes of the Airflow processes: `python probe.py database | job TYPE | api`. Exit code 0 if healthy, 1 with a message if not.

The airflow command line does the same, but imports Airflow each time, which takes seconds of CPU. This script imports the
standard library and psycopg2 only.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

# A job is alive if its last heartbeat is at most this old; Airflow writes one every 5 seconds.
HEARTBEAT_SECONDS = 60
TIMEOUT_SECONDS = 10
HEARTBEAT_SQL = Path(__file__).with_name("heartbeat.sql")
API_HEALTH = "http://127.0.0.1:8080/api/v2/monitor/health"
USAGE = "usage: probe.py database | job SchedulerJob|TriggererJob|DagProcessorJob | api"


class Unhealthy(Exception):
    """The process is not healthy; the text says why."""


def main(argv: list[str]) -> int:
    """Run one probe. Returns the exit code."""
    try:
        match argv:
            case ["database"]:
                query("SELECT 1")
            case ["job", job_type]:
                check_job(job_type)
            case ["api"]:
                check_api(API_HEALTH)
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except Unhealthy as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def database_url() -> str:
    """Returns the libpq URL of the metadata database, from Airflow's own setting."""
    command = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"]
    url = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def query(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Returns the rows of a query on the metadata database. Raises Unhealthy if it cannot be reached."""
    import psycopg2

    try:
        with psycopg2.connect(database_url(), connect_timeout=TIMEOUT_SECONDS) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())
    except (psycopg2.Error, OSError, subprocess.CalledProcessError, KeyError) as error:
        raise Unhealthy(f"cannot query the metadata database: {str(error).strip() or type(error).__name__}") from None


def check_job(job_type: str) -> None:
    """Raise Unhealthy unless the job of this pod has written a heartbeat lately."""
    hostname = socket.gethostbyname(socket.getfqdn())
    rows = query(HEARTBEAT_SQL.read_text(), job_type, hostname)
    age = rows[0][0]
    if age is None:
        raise Unhealthy(f"no running {job_type} of host {hostname} in the metadata database")
    if age > HEARTBEAT_SECONDS:
        raise Unhealthy(f"{job_type} of host {hostname}: the last heartbeat is {age:.0f} s old, limit {HEARTBEAT_SECONDS} s")


def check_api(url: str) -> None:
    """Raise Unhealthy unless the api-server answers and reaches its database. The endpoint returns 200 in any case."""
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            health = json.load(response)
    except (OSError, ValueError) as error:
        raise Unhealthy(f"{url}: {error}") from None
    status = health.get("metadatabase", {}).get("status")
    if status != "healthy":
        raise Unhealthy(f"{url}: metadatabase is {status}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
