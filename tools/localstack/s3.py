"""S3: SeaweedFS by default, a `minio` program on PATH, or an external endpoint (setting `s3_server`)."""

import json
import shutil
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from clickstream_contracts.settings import Settings, SettingsError
from tools.lake.object_store import s3_client
from tools.localstack import code
from tools.localstack.layout import Stack, write_private
from tools.localstack.ports import GRPC_OFFSET
from tools.localstack.units import Component, Health

KEYS = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_SIGNING_READ_KEY", "WEED_JWT_FILER_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_READ_KEY")
PROGRAMS = {"seaweedfs": "weed", "minio": "minio"}


def components(stack: Stack) -> list[Component]:
    """Returns the S3 server; none when S3 is external."""
    if stack.settings.s3_server == "external":
        return []
    if stack.settings.s3_server == "minio":
        return [_minio(stack)]
    return [_seaweedfs(stack)]


def installed_program(server: str) -> str:
    """Returns the path of the server's program. Raises SettingsError if it is neither in the tools environment nor on PATH."""
    path = _program(server)
    if not Path(path).is_absolute():
        raise SettingsError(f"CLICKSTREAM_S3_SERVER={server}: no program `{path}` on PATH; install it or choose another server")
    return path


def _program(server: str) -> str:
    """Returns the path of the server's program, or its name if it is not installed: a stack without it can still be stopped."""
    name = PROGRAMS[server]
    in_environment = Path(sys.executable).parent / name
    if in_environment.exists():
        return str(in_environment)
    return shutil.which(name) or name


def _seaweedfs(stack: Stack) -> Component:
    port, home = stack.settings.s3_port, stack.folder("s3")
    config = home / "s3.json"
    flags = {
        "dir": home,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": port + 1,
        "volume.port": port + 2,
        "filer": "true",
        "filer.port": port + 3,
        "s3": "true",
        "s3.port": port,
        "s3.config": config,
        "volume.max": 0,
        "master.volumeSizeLimitMB": 1024,
        "master.telemetry": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    return Component(
        name="s3",
        argv=(_program("seaweedfs"), "-logtostderr=true", "server", *(f"-{key}={value}" for key, value in flags.items())),
        # Without signing keys the filer's port needs no authentication. GOGC: the heap is small and its background loops allocate all
        # the time; with Go's default, garbage collection took two thirds of its CPU.
        env={key: stack.secret(key.lower()) for key in KEYS} | {"GOGC": "400", "GOMEMLIMIT": "400MiB"},
        home=home,
        address=stack.settings.s3_endpoint,
        health=health(stack.settings),
        prepare=lambda: _write_identities(stack, config),
        # A clean stop takes 20 s and is not needed: acknowledged writes survive a kill.
        stop_seconds=5,
        temporary=_sockets(port),
        code=(code.environment("tools"),),
    )


def _sockets(port: int) -> tuple[Path, ...]:
    """Returns the sockets of SeaweedFS, which stay when it is killed. The folder of the gRPC sockets is fixed in its code."""
    http = {"s3": port, "filer": port + 3}
    grpc = {"s3": port, "master": port + 1, "volume": port + 2, "filer": port + 3}
    names = [f"{name}-{number}" for name, number in http.items()]
    names += [f"{name}-grpc-{number + GRPC_OFFSET}" for name, number in grpc.items()]
    return tuple(Path("/tmp") / f"seaweedfs-{name}.sock" for name in names)


def _write_identities(stack: Stack, path: Path) -> None:
    access, secret = stack.secret("s3_access_key"), stack.secret("s3_secret_key")
    identity = {
        "name": "clickstream",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(path, json.dumps({"identities": [identity]}))


def _minio(stack: Stack) -> Component:
    port, home = stack.settings.s3_port, stack.folder("s3-minio")
    access, secret = stack.secret("s3_access_key"), stack.secret("s3_secret_key")
    address = f"127.0.0.1:{port}"
    return Component(
        name="s3",
        argv=(_program("minio"), "server", "--address", address, "--console-address", f"127.0.0.1:{port + 1}", str(home)),
        env={"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret, "MINIO_BROWSER": "off"},
        home=home,
        address=stack.settings.s3_endpoint,
        health=health(stack.settings),
    )


def health(settings: Settings) -> Health:
    """Returns a probe that lists the buckets with the stack's keys."""

    def probe(since: float) -> str:
        try:
            s3_client(settings, connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1}).list_buckets()
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return ""

    return probe
