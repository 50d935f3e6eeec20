"""Ports of the local stack: those in use, and those that two components would use."""

import os
import pwd
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.tools.local_stack import command, port_in_use, stack
from tools.localstack import layout, ports

__all__ = ["port_in_use", "stack"]


def test_a_port_in_use_is_named_with_its_process_and_setting(stack: layout.Stack, port_in_use: int) -> None:
    [(problem, fix)] = ports.in_use(replace(stack.settings, airflow_port=port_in_use))
    assert problem.startswith(f"port {port_in_use} (airflow-api-server) is already in use by ")
    assert f"(pid {os.getpid()})" in problem
    assert fix == "stop it or set CLICKSTREAM_AIRFLOW_PORT to another port"


def test_the_user_whose_program_listens_on_a_port_is_named(port_in_use: int) -> None:
    assert ports._user(port_in_use) == pwd.getpwuid(os.getuid()).pw_name


def test_a_port_that_two_components_would_use_is_named_with_both_settings(stack: layout.Stack) -> None:
    settings = replace(stack.settings, airflow_port=stack.settings.flink_port)
    [(problem, fix)] = ports.problems(settings)
    assert problem == f"port {settings.flink_port} is set for flink-jobmanager (CLICKSTREAM_FLINK_PORT) and for airflow-api-server"
    assert fix == "set CLICKSTREAM_AIRFLOW_PORT to another port"


def test_a_port_whose_neighbours_do_not_exist_is_named_with_the_highest_possible(stack: layout.Stack) -> None:
    settings = replace(stack.settings, s3_port=60_000)
    [(problem, fix)] = ports.problems(settings)
    assert problem == "CLICKSTREAM_S3_PORT=60000: s3 would use port 70003"
    assert fix == "set it to at most 55532"
    assert ports.impossible(replace(settings, s3_port=55_532)) == []


def test_a_port_with_connections_in_time_wait_is_free() -> None:
    with socket.socket() as server:
        # Without SO_REUSEADDR, connections in TIME_WAIT keep others from binding.
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            probe.bind(("127.0.0.1", port))
    assert not ports.is_in_use(port)


def test_the_doctor_fails_on_a_port_in_use(tmp_path: Path, port_in_use: int) -> None:
    settings = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    done = command(tmp_path, "doctor", **settings | {"CLICKSTREAM_KAFKA_PORT": str(port_in_use)})
    assert done.returncode == 1
    assert f"FAIL  port {port_in_use} (kafka)" in done.stderr


def test_a_port_in_use_is_reported_before_anything_starts(tmp_path: Path, port_in_use: int) -> None:
    settings = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    settings |= {"CLICKSTREAM_NESSIE_PORT": str(port_in_use)}
    done = command(tmp_path / "stack", "up", "--only", "nessie", **settings)
    assert not (tmp_path / "stack" / "run").exists(), "supervisord was started"
    command(tmp_path / "stack", "clean")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: port {port_in_use} (nessie) is already in use by ")
