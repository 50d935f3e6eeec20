"""The local stack without starting it: its configuration, the order of its components, and what the doctor reports."""

import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from clickstream_contracts.settings import Settings, SettingsError
from tests.tools.local_stack import command, port_in_use, settings_on_free_ports, stack
from tools.localstack import checks, code, components, flink, launch, layout, ports, ray, running, spark, start, stop, supervisord
from tools.localstack.airflow_api import AirflowError

__all__ = ["port_in_use", "stack"]
ROOT = Path(__file__).parents[2]


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


def test_down_deletes_no_socket_of_another_running_stack(stack: layout.Stack, tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    listed = replace(components.components(stack)[0], temporary=(path,))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        stop.delete_temporary_files(stack, [listed])
        assert path.exists()
    stop.delete_temporary_files(stack, [listed])
    assert not path.exists()


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
