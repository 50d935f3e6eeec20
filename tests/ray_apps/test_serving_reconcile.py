"""The reconciler prints why a deployment failed: no connection, or the rejection of the Ray head."""

import io
from email.message import Message
from urllib.error import HTTPError, URLError

import pytest

from clickstream_contracts.settings import Settings
from ray_apps.serving import reconcile

SETTINGS = Settings(ray_uri="http://127.0.0.1:1")
REJECTED = HTTPError("http://127.0.0.1:1/api", 401, "Unauthorized", Message(), io.BytesIO(b"no token"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (URLError("refused"), "cannot reach the Ray head at http://127.0.0.1:1: <urlopen error refused>"),
        (REJECTED, "the Ray head rejected the request: http://127.0.0.1:1/api: HTTP 401: no token"),
    ],
    ids=["unreachable", "rejected"],
)
def test_a_failed_check_is_one_line_with_the_address(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def application_status(settings: Settings) -> None:
        raise error

    monkeypatch.setattr(reconcile, "application_status", application_status)
    reconcile._reconcile(SETTINGS)
    assert capsys.readouterr().out == f"{message}\n"
