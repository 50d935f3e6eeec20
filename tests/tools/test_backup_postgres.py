"""The CronJobs of components/backup, container by container, on a real PostgreSQL, Nessie and S3: a restore reads every tag as before."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import yaml

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tests.ports import free_ports
from tests.tools.backup_lake import append_users, tag, users
from tools.lake import catalog, nessie
from tools.lake.object_store import s3_client
from tools.localstack import layout
from tools.localstack import nessie as nessie_component

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "manifests" / "components" / "backup"
PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path(shutil.which("initdb") or "/none").parent)
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not (PROGRAMS / "initdb").exists(), reason="PostgreSQL's programs are not installed"),
]
DATABASES = ("nessie", "airflow")


def run(*command: str | Path, **env: str) -> str:
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def unprivileged(*command: str | Path) -> list[str]:
    """The command as a user that is not root, whom PostgreSQL refuses."""
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    return [*drop, *map(str, command)]


@dataclass(frozen=True)
class Cluster:
    """PostgreSQL, S3 and, within `nessie_running`, Nessie; the containers of the CronJobs run as processes of this machine."""

    folder: Path
    settings: Settings
    postgres: dict[str, str]

    def sql(self, database: str, statement: str) -> str:
        return run(PROGRAMS / "psql", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement, **self.postgres, PGDATABASE=database)

    def cron_job(self, name: str, stop_before: str = "") -> str:
        """Run the containers of a CronJob in their order; returns what the last one printed."""
        spec = yaml.safe_load((COMPONENT / f"{name}.yaml").read_text())["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        printed = ""
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            if container["name"] == stop_before:
                break
            printed = self.container(container)
        return printed

    def container(self, container: dict[str, Any]) -> str:
        here = {"$(BACKUP)": "newest", "/dumps": str(self.folder / "dumps"), "/etc/clickstream/postgres": str(self.folder / "passwords")}
        command = container["command"] + container.get("args", [])
        for path, local in here.items():
            command = [argument.replace(path, local) for argument in command]
        if container["image"] == "tools":
            return run(sys.executable, *command[1:], **self.settings.to_env(), PYTHONPATH=f"{ROOT}:{ROOT / 'contracts'}")
        database = container["envFrom"][0]["configMapRef"]["name"].removesuffix("-database")
        return run(*command, **self.postgres, PGDATABASE=database, PATH=f"{PROGRAMS}:{os.environ['PATH']}")

    @contextmanager
    def nessie_running(self) -> Iterator[None]:
        """Nessie on PostgreSQL, as manifests/base/nessie configures it."""
        component = nessie_component.components(layout.Stack(self.settings))[0]
        component.prepare()
        store = {
            "nessie.version.store.type": "JDBC2",
            "nessie.version.store.persist.jdbc.datasource": "postgresql",
            "quarkus.datasource.postgresql.jdbc.url": f"jdbc:postgresql://127.0.0.1:{self.postgres['PGPORT']}/nessie",
            "quarkus.datasource.postgresql.username": "clickstream",
            "quarkus.datasource.postgresql.password": "secret",
        }
        config = component.home / "application.properties"
        local = [line for line in config.read_text().splitlines() if not line.startswith("nessie.version.store.")]
        config.write_text("\n".join([*local, *(f"{key}={value}" for key, value in store.items())]))
        with (self.folder / "nessie.log").open("w") as log:
            process = subprocess.Popen(component.argv, cwd=self.folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 180
            while component.health(0) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.5)
            assert process.poll() is None, (self.folder / "nessie.log").read_text()[-3000:]
            httpx.get(f"{self.settings.nessie_uri}/api/v2/config", trust_env=False).raise_for_status()
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    # Below /tmp itself: the folders of pytest are closed to other users, and PostgreSQL does not run as root.
    folder = Path(run("mktemp", "-d").strip())
    folder.chmod(0o755)
    for name in ("database", "dumps", "passwords"):
        (folder / name).mkdir()
    for name in DATABASES:
        (folder / "passwords" / f"{name}_password").write_text("secret")
    (folder / "superuser").write_text("secret")
    if os.getuid() == 0:
        os.chown(folder / "database", 65534, 65534)
    ports: dict[str, Any] = free_ports()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    settings = layout.resolve(replace(Settings(), **ports, stack_dir=str(folder / "stack"), backup_target="s3://backup/daily"))
    stack = {**settings.to_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    postgres = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "clickstream", "PGPASSWORD": "secret"}
    data = folder / "database" / "data"
    try:
        arguments = ("-D", data, "-U", "clickstream", "--auth=scram-sha-256", f"--pwfile={folder / 'superuser'}")
        run(*unprivileged(PROGRAMS / "initdb", *arguments))
        options = f"-p {port} -k {folder / 'database'} -c listen_addresses=127.0.0.1"
        run(*unprivileged(PROGRAMS / "pg_ctl", "-D", data, "-l", folder / "database" / "log", "-o", options, "-w", "start"))
        run(sys.executable, "-m", "tools.localstack", "up", "--only", "s3", **stack)
        cluster = Cluster(folder, settings, postgres)
        for name in DATABASES:
            cluster.sql("postgres", f"CREATE DATABASE {name}")
        yield cluster
    finally:
        subprocess.run(unprivileged(PROGRAMS / "pg_ctl", "-D", data, "-m", "immediate", "stop"), check=False)
        subprocess.run([sys.executable, "-m", "tools.localstack", "down"], cwd=ROOT, env={**os.environ, **stack}, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def append_clicks(settings: Settings, offsets: dict[int, int]) -> None:
    """Append a click at an offset of each partition."""
    table = catalog.open_catalog(settings).load_table("raw.clicks")
    columns = pa.schema([field.with_nullable(True) for field in table.schema().as_arrow()])
    defaults: dict[str, Any] = {"kafka_partition": list(offsets), "kafka_offset": list(offsets.values())}
    required = {field.name for field in table.schema().fields if field.required} - set(defaults)
    filled = {name: pa.array([0] * len(offsets)).cast(columns.field(name).type) for name in required}
    given = {name: pa.array(values, columns.field(name).type) for name, values in defaults.items()}
    arrays = [(given | filled).get(field.name, pa.nulls(len(offsets), field.type)) for field in columns]
    table.append(pa.table(arrays, schema=table.schema().as_arrow()))


def empty_the_bucket(settings: Settings) -> None:
    client = s3_client(settings)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket):
        for item in page.get("Contents", ()):
            client.delete_object(Bucket=settings.s3_bucket, Key=item["Key"])


def test_a_restore_into_an_empty_cluster_reads_every_tag_as_before(cluster: Cluster) -> None:
    settings = cluster.settings
    cluster.sql("airflow", "CREATE TABLE dag_run (run_id text); INSERT INTO dag_run VALUES ('manual_1')")
    with cluster.nessie_running():
        main = catalog.open_catalog(settings)
        for contract in ("landing.users", "raw.clicks"):
            main.create_namespace(contract.split(".")[0])
            catalog.create_table(main, schema.tables()[contract])
        append_users(settings, "ann", "bob")
        tag(settings, "release_1")
        append_clicks(settings, {0: 41, 1: 6})
        append_users(settings, "cid")
        tag(settings, "release_2")
        before = {ref: users(settings, ref) for ref in ("release_1", "release_2", "main")}
        commit = nessie.commit_hash(settings)
        cluster.cron_job("backup", stop_before="tool")
        # A stream goes on committing while the bucket is copied; the backup is of the moment of the dump.
        append_users(settings, "dan")
        tool = yaml.safe_load((COMPONENT / "backup.yaml").read_text())["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        assert "3 refs" in cluster.container(tool)

    empty_the_bucket(settings)
    for name in DATABASES:
        cluster.sql("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        cluster.sql("postgres", f"CREATE DATABASE {name}")
    with cluster.nessie_running():
        assert [ref["name"] for ref in nessie.references(settings, "TAG")] == []
    for file in (cluster.folder / "dumps").iterdir():
        file.unlink()
    for _ in range(2):
        cluster.cron_job("restore")

    with cluster.nessie_running():
        printed = cluster.cron_job("verify")
        assert {ref: users(settings, ref) for ref in before} == before
        assert before["main"] == ["ann", "bob", "cid"]
        assert nessie.commit_hash(settings) == commit
        append_users(settings, "eve")
    assert "the lake holds clicks.v1 up to partition 0: 42, partition 1: 7" in printed
    assert cluster.sql("airflow", "SELECT run_id FROM dag_run") == "manual_1\n"
