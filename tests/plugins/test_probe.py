"""The Kubernetes probes of the Airflow processes read the answer, not only the status code, and start without Airflow."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from clickstream import probe

SCRIPT = Path(probe.__file__)


@pytest.fixture(params=['{"metadatabase": {"status": "healthy"}}', '{"metadatabase": {"status": "unhealthy"}}', "no JSON"])
def health_url(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    """An endpoint that always answers 200, as Airflow's does, and whether its answer says healthy."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(request.param.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", '"healthy"' in request.param
    server.shutdown()
    server.server_close()


def test_the_api_is_healthy_only_if_its_answer_says_so(health_url: tuple[str, bool]) -> None:
    url, healthy = health_url
    if healthy:
        probe.check_api(url)
    else:
        with pytest.raises(probe.Unhealthy, match=url):
            probe.check_api(url)


def run(*arguments: str, url: str = "postgresql+psycopg2://u:secret@127.0.0.1:1/x") -> subprocess.CompletedProcess[str]:
    env = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": f"printf {url}", "PATH": "/usr/bin:/bin"}
    return subprocess.run([sys.executable, "-I", str(SCRIPT), *arguments], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [("database",), ("job", "SchedulerJob")])
def test_an_unreachable_database_is_one_message_without_the_password(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 1
    assert "cannot query the metadata database" in result.stderr
    assert "secret" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_command_line_is_exit_code_2() -> None:
    assert run("nonsense").returncode == 2


def test_a_probe_does_not_import_airflow() -> None:
    code = f"import runpy, sys; sys.argv = ['probe', 'x']; runpy.run_path({str(SCRIPT)!r}); assert 'airflow' not in sys.modules"
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
