"""The local stack without starting it: its configuration, the order of its components, and what the doctor reports."""

import json
import os
import pwd
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
from tools.localstack import checks, code, components, doctor, flink, launch, layout, ports, ray, running, spark, start, stop, supervisord
from tools.localstack.airflow_api import AirflowError

ROOT = Path(__file__).parents[2]


def settings_on_free_ports() -> Settings:
    """Settings of a stack that can run beside any other."""
    values: dict[str, Any] = free_ports()
    return replace(Settings(), **values)


@pytest.fixture
def stack(tmp_path: Path) -> layout.Stack:
    stack = layout.Stack(layout.resolve(replace(settings_on_free_ports(), stack_dir=str(tmp_path / "stack"))))
    layout.save(stack)
    return stack


@pytest.fixture
def port_in_use() -> Iterator[int]:
    """A port that this test process listens on."""
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

    first, second = Settings(), settings_on_free_ports()
    assert all_ports(first) & all_ports(second) == set()


def test_a_stack_that_never_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="make up"):
        running(tmp_path)


def test_an_external_s3_keeps_its_address_and_is_no_component(tmp_path: Path) -> None:
    own = replace(Settings(), stack_dir=str(tmp_path), s3_server="external", s3_endpoint="http://s3.example:9000", s3_access_key_file="key")
    settings = layout.resolve(own)
    assert settings.s3_endpoint == "http://s3.example:9000"
    assert settings.s3_access_key_file == str(Path("key").resolve())
    (tmp_path / "key").write_text("k")
    assert "s3" not in ports.ports(settings)


def test_secrets_are_private_and_are_generated_once(stack: layout.Stack) -> None:
    first = stack.secret("a_key")
    assert stack.secret("a_key") == first
    assert len(first) >= 32
    assert stat.S_IMODE((stack.dir / "secrets").stat().st_mode) == 0o700
    for file in (stack.dir / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first not in stack.settings_file.read_text()


def test_every_unit_comes_after_its_dependencies(stack: layout.Stack) -> None:
    units = components.units(stack)
    position = {unit.name: i for i, unit in enumerate(units)}
    for unit in units:
        for dependency in (*unit.needs, *unit.after):
            assert position[dependency] < position[unit.name], f"{dependency} must be up before {unit.name}"
    order = ["airflow-api-server", "airflow-dag-processor", "airflow-scheduler"]
    assert sorted(order, key=lambda name: position[name]) == order


def test_components_are_stopped_before_their_dependencies(stack: layout.Stack) -> None:
    groups = [{component.name for component in group} for group in stop.stop_order(components.components(stack))]
    assert "airflow-scheduler" in groups[0]
    assert "airflow-api-server" not in groups[0]
    assert set().union(*groups) == {component.name for component in components.components(stack)}


def test_only_selects_the_named_components_and_their_dependencies(stack: layout.Stack) -> None:
    selected = [unit.name for unit in components.select(components.units(stack), "nessie,kafka")]
    assert sorted(selected) == ["bucket", "kafka", "lake", "nessie", "s3", "topics"]
    assert {"flink-jobmanager", "flink-taskmanager"} <= {unit.name for unit in components.select(components.units(stack), "flink")}
    with pytest.raises(components.UnknownComponent, match="no component 'flonk': use one of airflow-api-server, "):
        components.select(components.units(stack), "flonk")


@pytest.mark.engine
@pytest.mark.parametrize(("jit", "c1_only"), [("c1", True), ("c2", False)])
def test_the_setting_jit_reaches_every_jvm_of_the_data_path(stack: layout.Stack, jit: str, c1_only: bool) -> None:
    changed = layout.Stack(replace(stack.settings, jit=jit))
    [kafka] = [component for component in components.components(changed) if component.name == "kafka"]
    data_path = (
        " ".join(kafka.argv),
        flink.config(changed)["env.java.opts.taskmanager"],
        spark._connect(changed)["spark.executor.extraJavaOptions"],
    )
    assert [("TieredStopAtLevel=1" in str(options)) for options in data_path] == [c1_only] * 3
    assert "TieredStopAtLevel=1" in str(flink.config(changed)["env.java.opts.jobmanager"])


@pytest.mark.engine  # needs every environment, which `make check` does not set up
def test_components_bind_to_loopback_only(stack: layout.Stack) -> None:
    for component in components.components(stack):
        assert "0.0.0.0" not in " ".join(component.argv)
    hosts = {value for key, value in flink.config(stack).items() if key.endswith(("host", "address"))}
    assert hosts == {"127.0.0.1"}


@pytest.mark.engine  # needs every environment, which `make check` does not set up
def test_temporary_files_of_every_process_are_in_the_stacks_folder(stack: layout.Stack) -> None:
    """Flink's and Spark's JVMs get their options from configuration and variables, the others on the command line."""
    by_name = {component.name: component for component in components.components(stack)}
    for component in by_name.values():
        folder = Path(stack.environment(component.env)["TMPDIR"])
        assert folder in (stack.tmp, ray.socket_folder(stack) / "tmp")
    jvms = {
        "kafka": " ".join(by_name["kafka"].argv),
        "nessie": " ".join(by_name["nessie"].argv),
        "flink": str(flink.config(stack)["env.java.opts.all"]),
        "executors": spark._connect(stack)["spark.executor.extraJavaOptions"],
        **{name: component.env["SPARK_DAEMON_JAVA_OPTS"] for name, component in by_name.items() if name.startswith("spark-")},
    }
    for name, options in jvms.items():
        assert f"-Djava.io.tmpdir={stack.dir}/" in options, name
        assert "-XX:-UsePerfData" in options, name
    assert str(flink.config(stack)["web.tmpdir"]).startswith(f"{stack.dir}/")


def test_down_deletes_temporary_files_and_nothing_else(stack: layout.Stack, tmp_path: Path) -> None:
    files = [stack.folder("tmp") / "file", stack.folder("flink", "tmp") / "jar", tmp_path / "socket", stack.folder("kafka") / "record"]
    for file in files:
        file.touch()
    (tmp_path / "link").symlink_to(stack.folder("kafka"))
    listed = replace(components.components(stack)[0], temporary=(stack.dir / "flink" / "tmp", tmp_path / "socket", tmp_path / "link"))
    stop.delete_temporary_files(stack, [listed])
    assert [file for file in files if file.exists()] == [stack.dir / "kafka" / "record"]
    assert not (tmp_path / "link").is_symlink()


def test_a_component_that_ends_as_a_whole_is_not_killed_before_it_can(stack: layout.Stack) -> None:
    """supervisord kills what has not ended after `stop_seconds`, and the component's other processes would stay."""
    whole = [component for component in components.components(stack) if component.all_processes]
    assert [component.name for component in whole] == ["ray-head"]
    for component in whole:
        drain = float(component.env["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
        assert drain + launch.GRACE_SECONDS + launch.TERMINATE_SECONDS < component.stop_seconds


def test_no_secret_shows_in_a_command_line(stack: layout.Stack) -> None:
    lines = " ".join(" ".join(component.argv) for component in components.components(stack))
    secrets = [file.read_text().strip() for file in (stack.dir / "secrets").iterdir()]
    assert len(secrets) >= 6
    assert not [secret for secret in secrets if secret in lines]


@pytest.mark.parametrize(
    ("changed", "restarted"),
    [
        ("ray_apps/serving/reconcile.py", {"ray-head", "serve"}),
        ("plugins/clickstream/templates.py", {"airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer"}),
        (".venvs/spark/.made-from", {"spark-master", "spark-worker-1", "spark-worker-2", "spark-connect"}),
        (".jars/flink-udf/.made-from", {"flink-jobmanager", "flink-taskmanager"}),
        ("docs/runbook.md", set()),
    ],
)
def test_components_whose_files_change_get_another_description(
    stack: layout.Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: str, restarted: set[str]
) -> None:
    """supervisord restarts what has another command, and the command ends with the digest of all that the process has read."""
    checkout = tmp_path / "checkout"
    for component in components.components(stack):
        for path in component.code:
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            (checkout / path).touch() if "." in Path(path).name else (checkout / path).mkdir(exist_ok=True)
    monkeypatch.setattr(code, "ROOT", checkout)

    def programs() -> dict[str, str]:
        return {component.name: supervisord._program(stack, component) for component in components.components(stack)}

    before = programs()
    assert programs() == before
    (checkout / changed).parent.mkdir(parents=True, exist_ok=True)
    (checkout / changed).write_text("changed by git pull")
    assert {name for name, program in programs().items() if program != before[name]} == restarted


def test_compiled_files_are_no_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code, "ROOT", tmp_path)
    (tmp_path / "app" / "__pycache__").mkdir(parents=True)
    before = code.digest(("app",))
    (tmp_path / "app" / "__pycache__" / "main.pyc").touch()
    assert code.digest(("app",)) == before


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


def test_a_check_that_gets_no_response_is_a_problem_and_not_the_end_of_the_doctor(stack: layout.Stack) -> None:
    [(problem, fix)] = checks._run("nessie", lambda: checks.left_over_branches(stack, airflow_is_up=True))
    assert problem.startswith(f"nessie could not be checked: cannot reach Nessie at {stack.settings.nessie_uri} ")
    assert fix == "read `./clickstream stack logs nessie`"

    def sign_in() -> list[checks.Problem]:
        raise AirflowError("Airflow rejected the login of admin: HTTP 401")

    [(problem, _)] = checks._run("nessie", sign_in)
    assert "rejected the login" in problem


def test_only_a_dag_whose_newest_run_failed_is_a_problem() -> None:
    runs = [
        {"dag_id": "nightly", "dag_run_id": "third", "state": "failed"},
        {"dag_id": "train", "dag_run_id": "second", "state": "success"},
        {"dag_id": "train", "dag_run_id": "first", "state": "failed"},
        {"dag_id": "streams", "dag_run_id": "running", "state": "running"},
    ]
    [(problem, fix)] = checks.failed_runs(runs)
    assert problem == "the last run of nightly failed: third"
    assert "docs/runbook.md" in fix


def test_a_stack_that_is_down_has_nothing_to_restart(tmp_path: Path, stack: layout.Stack) -> None:
    done = command(stack.dir, "restart", "kafka")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "`make up` starts it" in done.stderr


def test_addresses_of_this_machine_are_printed_as_no_proxy(tmp_path: Path) -> None:
    done = command(tmp_path, "env", NO_PROXY="intranet.example", no_proxy="")
    assert "export NO_PROXY='intranet.example,127.0.0.1,localhost,::1'" in done.stdout


def test_the_doctor_prints_a_fix_for_each_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.report([("no Java", "install one")], "") == 1
    assert "fix: install one" in capsys.readouterr().err
    assert doctor.report([], "checked") == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["up", "--only", "flonk"], "no component 'flonk'"),
        (["logs", "flonk"], "no component 'flonk'"),
        (["restart", "flonk"], "no component 'flonk'"),
        (["up", "--deadline"], "No such option"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(tmp_path: Path, argv: list[str], message: str) -> None:
    done = command(tmp_path, *argv)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = command(tmp_path, "up", CLICKSTREAM_KAFKA_PORT="ninety")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "CLICKSTREAM_KAFKA_PORT='ninety'" in done.stderr


def test_down_and_status_of_a_stack_that_never_started_leave_its_folder_alone(tmp_path: Path) -> None:
    down = command(tmp_path / "stack", "down")
    assert down.returncode == 0
    assert "none was ever started" in down.stderr
    status = command(tmp_path / "stack", "status", "--json")
    assert {component["state"] for component in json.loads(status.stdout)["components"]} == {"down"}
    assert command(tmp_path / "stack", "logs", "kafka").returncode == 0
    # `up` refuses a folder with other files than a stack's.
    assert not (tmp_path / "stack").exists()


def test_down_and_status_need_neither_jdk_nor_maven(tmp_path: Path, stack: layout.Stack) -> None:
    for verb in ("status", "down"):
        done = command(stack.dir, verb, PATH=str(tmp_path), JAVA_HOME="")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_stack_whose_s3_server_was_uninstalled_is_stopped_but_not_started(tmp_path: Path, stack: layout.Stack) -> None:
    layout.save(layout.Stack(replace(stack.settings, s3_server="minio")))
    for verb in ("status", "down"):
        assert command(stack.dir, verb, PATH=str(tmp_path)).returncode == 0
    started = command(stack.dir, "up", "--only", "s3", PATH=str(tmp_path), CLICKSTREAM_S3_SERVER="minio")
    assert (started.returncode, started.stderr.count("\n")) == (2, 1)
    assert "no program `minio` on PATH" in started.stderr


@pytest.mark.engine  # needs every environment, which `make check` does not set up
def test_a_file_that_is_not_installed_yet_is_named(stack: layout.Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nessie = next(component for component in components.components(stack) if component.name == "nessie")
    assert start.not_installed(nessie) == ""
    for module in (layout, start):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    [not_installed] = [component for component in components.components(stack) if component.name == "nessie"]
    assert start.not_installed(not_installed) == f"{tmp_path}/.jars/nessie/nessie-quarkus-*-runner.jar"


def test_tail_returns_the_last_lines_of_a_log(stack: layout.Stack) -> None:
    assert start.tail(stack, "kafka", 3) == "(no log yet)"
    stack.folder("logs")
    stack.log("kafka").write_text("".join(f"line {i}\n" for i in range(10)))
    assert start.tail(stack, "kafka", 2) == "  | line 8\n  | line 9"


@pytest.mark.parametrize(("name", "message"), [("my stack", "contains ' '"), ("x" * 80, "bytes, at most 79 fit: use a shorter path")])
def test_a_folder_that_the_stack_cannot_work_in_is_refused_at_once(tmp_path: Path, name: str, message: str) -> None:
    started = command(tmp_path / name, "up", "--only", "s3")
    assert (started.returncode, started.stderr.count("\n")) == (2, 1)
    assert message in started.stderr
    assert not (tmp_path / name).exists()


def test_a_folder_with_other_files_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for verb, exit_code in (("up", 2), ("clean", 0)):
        done = command(tmp_path, verb)
        assert done.returncode == exit_code, done.stderr
        assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_flink_allows_its_rest_api_to_its_own_page_only(stack: layout.Stack) -> None:
    assert flink._addresses(stack)["web.access-control-allow-origin"] == stack.settings.flink_uri
