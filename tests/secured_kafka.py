"""A real Kafka broker that admits only clients with a password, over TLS with a certificate of a private CA. Standard library only."""

import base64
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
START_SECONDS = 90
USER = "shop"


@dataclass(frozen=True)
class SecuredKafka:
    """The broker's address, and the files by which a client connects."""

    bootstrap: str
    ca_bundle: Path
    username: Path
    password: Path

    def settings(self, mechanism: str = "SCRAM-SHA-512") -> dict[str, Any]:
        """Returns the fields of Settings with which a client connects."""
        return {
            "kafka_bootstrap": self.bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": mechanism,
            "kafka_username_file": str(self.username),
            "kafka_password_file": str(self.password),
            "ca_bundle": str(self.ca_bundle),
        }

    def wrong(self, what: str, folder: Path) -> dict[str, Any]:
        """Returns the fields for a client with a wrong `password`, or with the certificate of another CA as its `ca_bundle`."""
        folder.mkdir(parents=True, exist_ok=True)
        if what == "password":
            (folder / "password").write_text("wrong")
            return self.settings() | {"kafka_password_file": str(folder / "password")}
        return self.settings() | {"ca_bundle": str(certificate_authority(folder))}


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate_authority(folder: Path) -> Path:
    """Make a private CA; returns the file of its certificate, beside which its key is ca.key."""
    folder.mkdir(parents=True, exist_ok=True)
    subject = ("-subj", f"/CN=Test CA {secrets.token_hex(4)}", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", *subject)
    return folder / "ca.pem"


def server_certificate(folder: Path) -> Path:
    """Returns a PEM file with key and certificate for 127.0.0.1 and localhost, signed by the CA in `folder`."""
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-out", "server.crt", *signed)
    server = folder / "server.pem"
    server.write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    return server


def free_port() -> int:
    """Returns a free port."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def _config(folder: Path, port: int, controller: int, password: str) -> dict[str, str]:
    plain, scram = (f"org.apache.kafka.common.security.{name}LoginModule required" for name in ("plain.Plain", "scram.Scram"))
    single = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr")
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (f'{plain} username="{USER}" password="{password}" user_{USER}="{password}";'),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{scram};",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server_certificate(folder)),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "log.dirs": str(folder / "data"),
        "offsets.topic.num.partitions": "1",
        **dict.fromkeys(single, "1"),
    }


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Run the broker with its files in `folder` until the end of the block."""
    port, controller, password = free_port(), free_port(), secrets.token_urlsafe(12)
    ca_bundle = certificate_authority(folder)
    properties, username_file, password_file = folder / "server.properties", folder / "kafka_username", folder / "kafka_password"
    username_file.write_text(USER)
    password_file.write_text(password)
    properties.write_text("".join(f"{key}={value}\n" for key, value in _config(folder, port, controller, password).items()))
    java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{ROOT}/.jars/kafka/*"]
    scram = f"SCRAM-SHA-512=[name={USER},password={password}]"
    cluster_id = "k" + base64.urlsafe_b64encode(secrets.token_bytes(16))[:21].decode()
    storage = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties), "--add-scram", scram]
    subprocess.run([*java, *storage], check=True, capture_output=True)
    with (folder / "kafka.log").open("w") as log:
        broker = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for_tls(port, ca_bundle, broker, folder / "kafka.log")
        yield SecuredKafka(f"127.0.0.1:{port}", ca_bundle, username_file, password_file)
    finally:
        broker.kill()
        broker.wait()


def _wait_for_tls(port: int, ca_bundle: Path, broker: subprocess.Popen[bytes], log: Path) -> None:
    context = ssl.create_default_context(cafile=str(ca_bundle))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and broker.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as plain, context.wrap_socket(plain, server_hostname="localhost"):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the broker did not start: {log.read_text()[-2000:]}")
