"""The local stack without starting it: what is rendered, in which order, and what the doctor says."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts.settings import Settings, SettingsError
from tests.ports import free_ports
from tools.localstack import doctor, flink, layout, machine, parts, ports, running, spark, start, stop
from tools.localstack.bootstrap import digest, done, stamp

ROOT = Path(__file__).parents[2]


def elsewhere() -> Settings:
    """Settings of a stack that can run beside any other."""
    values: dict[str, Any] = free_ports()
    return replace(Settings(), **values)


@pytest.fixture
def stack(tmp_path: Path) -> layout.Stack:
    made = layout.Stack(layout.resolve(replace(elsewhere(), stack_dir=str(tmp_path / "stack"))))
    layout.save(made)
    return made


@pytest.fixture
def squatter() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def command(stack_dir: Path, *argv: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(stack_dir), **settings}
    return subprocess.run([sys.executable, "-m", "tools.localstack", *argv], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_addresses_follow_the_ports(stack: layout.Stack) -> None:
    settings = running(stack.dir)
    assert settings.kafka_bootstrap == f"127.0.0.1:{settings.kafka_port}"
    assert settings.nessie_uri.endswith(f":{settings.nessie_port}")
    assert settings.s3_endpoint.endswith(f":{settings.s3_port}")
    assert settings.flink_uri.endswith(f":{settings.flink_port}")
    assert settings.spark_master.endswith(f":{settings.spark_port}")
    assert Path(settings.s3_access_key_file).is_absolute()


def test_two_stacks_share_no_port(tmp_path: Path) -> None:
    def all_ports(settings: Settings) -> set[int]:
        return {port for _, numbers in ports.ports(settings).values() for port in numbers}

    first, second = Settings(), elsewhere()
    assert all_ports(first) & all_ports(second) == set()


def test_a_stack_that_never_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="make up"):
        running(tmp_path)


def test_an_external_s3_keeps_its_address_and_has_no_part(tmp_path: Path) -> None:
    own = replace(Settings(), stack_dir=str(tmp_path), s3_server="external", s3_endpoint="http://s3.example:9000", s3_access_key_file="key")
    settings = layout.resolve(own)
    assert settings.s3_endpoint == "http://s3.example:9000"
    assert settings.s3_access_key_file == str(Path("key").resolve())
    (tmp_path / "key").write_text("k")
    assert "s3" not in ports.ports(settings)


def test_secrets_are_private_and_stay(stack: layout.Stack) -> None:
    first = stack.secret("a_key")
    assert stack.secret("a_key") == first
    assert len(first) >= 32
    assert stat.S_IMODE((stack.dir / "secrets").stat().st_mode) == 0o700
    for file in (stack.dir / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first not in stack.settings_file.read_text()


def test_every_part_comes_after_what_it_needs(stack: layout.Stack) -> None:
    everything = parts.nodes(stack)
    place = {node.name: i for i, node in enumerate(everything)}
    for node in everything:
        for need in (*node.needs, *node.after):
            assert place[need] < place[node.name], f"{need} must be up before {node.name}"
    order = ["airflow-api-server", "airflow-dag-processor", "airflow-scheduler"]
    assert sorted(order, key=lambda name: place[name]) == order


def test_parts_are_stopped_before_what_they_need(stack: layout.Stack) -> None:
    waves = [{part.name for part in wave} for wave in stop.waves(parts.parts(stack))]
    assert "airflow-scheduler" in waves[0]
    assert "airflow-api-server" not in waves[0]
    assert set().union(*waves) == {part.name for part in parts.parts(stack)}


def test_only_brings_what_it_needs_and_nothing_else(stack: layout.Stack) -> None:
    chosen = [node.name for node in parts.select(parts.nodes(stack), "nessie,kafka")]
    assert sorted(chosen) == ["bucket", "kafka", "lake", "nessie", "s3", "topics"]
    assert {"flink-jobmanager", "flink-taskmanager"} <= {node.name for node in parts.select(parts.nodes(stack), "flink")}
    with pytest.raises(parts.UnknownPart, match="flonk"):
        parts.select(parts.nodes(stack), "flonk")


@pytest.mark.engine
@pytest.mark.parametrize(("jit", "first_compiler_alone"), [("c1", True), ("c2", False)])
def test_the_setting_jit_reaches_whatever_works(stack: layout.Stack, jit: str, first_compiler_alone: bool) -> None:
    chosen = layout.Stack(replace(stack.settings, jit=jit))
    [kafka] = [part for part in parts.parts(chosen) if part.name == "kafka"]
    told = (
        " ".join(kafka.argv),
        flink.config(chosen)["env.java.opts.taskmanager"],
        spark._connect(chosen)["spark.executor.extraJavaOptions"],
    )
    assert [("TieredStopAtLevel=1" in str(options)) for options in told] == [first_compiler_alone] * 3
    assert "TieredStopAtLevel=1" in str(flink.config(chosen)["env.java.opts.jobmanager"])


@pytest.mark.engine  # needs every environment, which `make check` does not set up
def test_nothing_of_a_part_is_bound_to_other_interfaces(stack: layout.Stack) -> None:
    for part in parts.parts(stack):
        assert "0.0.0.0" not in " ".join(part.argv)
    hosts = {value for key, value in flink.config(stack).items() if key.endswith(("host", "address"))}
    assert hosts == {"127.0.0.1"}


def test_no_secret_shows_in_a_command_line(stack: layout.Stack) -> None:
    lines = " ".join(" ".join(part.argv) for part in parts.parts(stack))
    secrets = [file.read_text().strip() for file in (stack.dir / "secrets").iterdir()]
    assert len(secrets) >= 6
    assert not [secret for secret in secrets if secret in lines]


def test_a_taken_port_is_named_with_its_setting(stack: layout.Stack, squatter: int) -> None:
    [(what, cure)] = ports.taken(replace(stack.settings, airflow_port=squatter))
    assert str(squatter) in what
    assert f"process {os.getpid()}" in what
    assert "CLICKSTREAM_AIRFLOW_PORT" in cure


def test_a_port_that_an_ended_server_left_lingering_connections_on_is_free() -> None:
    with socket.socket() as server:
        # Without SO_REUSEADDR, what lingers keeps others from binding.
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            probe.bind(("127.0.0.1", port))
    assert not ports.is_taken(port)


def test_the_doctor_fails_on_a_taken_port(tmp_path: Path, squatter: int) -> None:
    settings = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    done = command(tmp_path, "doctor", **settings | {"CLICKSTREAM_KAFKA_PORT": str(squatter)})
    assert done.returncode == 1
    assert f"port {squatter} of kafka" in done.stderr


def test_the_doctor_prints_a_cure_for_each_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.report([("no Java", "install one")], "") == 1
    assert "cure: install one" in capsys.readouterr().err
    assert doctor.report([], "checked") == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["up", "--only", "flonk"], "no part 'flonk'"),
        (["logs", "flonk"], "no part 'flonk'"),
        (["up", "--deadline"], "No such option"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(tmp_path: Path, argv: list[str], says: str) -> None:
    done = command(tmp_path, *argv)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = command(tmp_path, "up", CLICKSTREAM_KAFKA_PORT="ninety")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "CLICKSTREAM_KAFKA_PORT='ninety'" in done.stderr


def test_down_and_status_of_a_stack_that_is_not_there(tmp_path: Path) -> None:
    assert command(tmp_path, "down").returncode == 0
    status = command(tmp_path, "status", "--json")
    assert {part["state"] for part in json.loads(status.stdout)["parts"]} == {"down"}


def test_a_finished_folder_is_left_alone_until_its_source_changes(tmp_path: Path) -> None:
    assert not done(tmp_path, digest(b"lock"))
    stamp(tmp_path, digest(b"lock"))
    assert done(tmp_path, digest(b"lock"))
    assert not done(tmp_path, digest(b"another lock"))


def test_uv_is_told_what_pip_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    known = {"index-url": "https://one.example/simple", "find-links": f"{tmp_path}/wheels\n{tmp_path}/gone", "cert": "/ca.pem"}
    monkeypatch.setattr(machine, "_pip_settings", lambda python: known)
    for _, variable, _ in machine.OPTIONS:
        monkeypatch.delenv(variable, raising=False)
    expected = {"UV_DEFAULT_INDEX": "https://one.example/simple", "UV_FIND_LINKS": f"{tmp_path}/wheels", "SSL_CERT_FILE": "/ca.pem"}
    assert machine.pip_as_uv("python") == expected
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://two.example/simple")
    assert "UV_DEFAULT_INDEX" not in machine.pip_as_uv("python")


@pytest.mark.engine  # needs every environment, which `make check` does not set up
def test_what_the_set_up_has_not_brought_yet_is_named(stack: layout.Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nessie = next(part for part in parts.parts(stack) if part.name == "nessie")
    assert start.not_installed(nessie) == ""
    for module in (layout, start):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    [fresh] = [part for part in parts.parts(stack) if part.name == "nessie"]
    assert start.not_installed(fresh) == f"{tmp_path}/.jars/nessie/nessie-quarkus-*-runner.jar"


def test_the_tail_of_a_log(stack: layout.Stack) -> None:
    assert start.tail(stack, "kafka", 3) == "(no log yet)"
    stack.folder("logs")
    stack.log("kafka").write_text("".join(f"line {i}\n" for i in range(10)))
    assert start.tail(stack, "kafka", 2) == "  | line 8\n  | line 9"


def test_somebody_elses_folder_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for verb, code in (("up", 2), ("clean", 0)):
        done = command(tmp_path, verb)
        assert done.returncode == code, done.stderr
        assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_no_web_page_may_read_what_flink_answers(stack: layout.Stack) -> None:
    assert flink._addresses(stack)["web.access-control-allow-origin"] == stack.settings.flink_uri
