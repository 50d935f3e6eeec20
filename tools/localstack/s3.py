"""S3: SeaweedFS by default, a `minio` binary by one setting, or somebody else's endpoint."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_contracts.settings import Settings, SettingsError
from tools.localstack.layout import Stack, write_private
from tools.localstack.part import Health, Part

KEYS = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_SIGNING_READ_KEY", "WEED_JWT_FILER_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_READ_KEY")


def parts(stack: Stack) -> list[Part]:
    """The S3 server, if the stack starts one."""
    makers = {"seaweedfs": _seaweedfs, "minio": _minio}
    make = makers.get(stack.settings.s3_server)
    return [make(stack)] if make else []


def binary(server: str) -> str:
    """The server's program: the environment's own, else the one on PATH."""
    name = {"seaweedfs": "weed", "minio": "minio"}[server]
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    if not found:
        raise SettingsError(f"CLICKSTREAM_S3_SERVER={server}: no program `{name}` on PATH; install it or choose another server")
    return found


def _seaweedfs(stack: Stack) -> Part:
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
    return Part(
        name="s3",
        argv=(binary("seaweedfs"), "-logtostderr=true", "server", *(f"-{key}={value}" for key, value in flags.items())),
        # Without signing keys the filer's port would answer anybody. Its heap is small and its loops make garbage all the time:
        # with Go's default, two thirds of its CPU went to collecting.
        env={key: stack.secret(key.lower()) for key in KEYS} | {"GOGC": "400", "GOMEMLIMIT": "400MiB"},
        home=home,
        address=stack.settings.s3_endpoint,
        health=health(stack.settings),
        prepare=lambda: _write_identities(stack, config),
        # A clean stop takes 20 s and saves nothing: what was acknowledged survives a kill.
        stop_seconds=5,
    )


def _write_identities(stack: Stack, path: Path) -> None:
    access, secret = stack.settings.s3_credentials()
    identity = {
        "name": "clickstream",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(path, json.dumps({"identities": [identity]}))


def _minio(stack: Stack) -> Part:
    port, home = stack.settings.s3_port, stack.folder("s3-minio")
    access, secret = stack.settings.s3_credentials()
    address = f"127.0.0.1:{port}"
    return Part(
        name="s3",
        argv=(binary("minio"), "server", "--address", address, "--console-address", f"127.0.0.1:{port + 1}", str(home)),
        env={"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret, "MINIO_BROWSER": "off"},
        home=home,
        address=stack.settings.s3_endpoint,
        health=health(stack.settings),
    )


def ensure_bucket(settings: Settings) -> None:
    """Make the bucket unless it is there: Nessie is not healthy without it."""
    client = _client(settings)
    if settings.s3_bucket not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=settings.s3_bucket)


def health(settings: Settings) -> Health:
    """Lists the buckets with the stack's own keys."""

    def probe(since: float) -> str:
        try:
            _client(settings, total_max_attempts=1).list_buckets()
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return ""

    return probe


def _client(settings: Settings, **retries: int) -> Any:
    access, secret = settings.s3_credentials()
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=Config(connect_timeout=3, read_timeout=10, retries=retries, s3={"addressing_style": "path"}, proxies={}),
    )
