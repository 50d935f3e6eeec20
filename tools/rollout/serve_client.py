"""HTTP client of the recommendation API of Ray Serve."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from clickstream_contracts.serving_api import SERVER_TIMING
from clickstream_contracts.settings import Settings, read_secret
from tools.common import http

TIMEOUT_SECONDS = 20.0


class ServeError(RuntimeError):
    """Ray Serve is unreachable or rejected a request; the text names the address and the reason."""


class ServeClient:
    """Sends requests with the token of the settings. A context manager."""

    def __init__(self, settings: Settings) -> None:
        headers = {"Authorization": f"Bearer {read_secret(settings.serve_token_file)}"}
        self._http = http.client(settings.serve_uri, timeout=TIMEOUT_SECONDS, headers=headers)

    def get_by_id(self, path: str, identifier: str, **params: int | str) -> dict[str, Any]:
        """Returns the JSON of `path/identifier`, an id of any characters. Raises ServeError as `get`."""
        return self.get(f"{path}/{quote(identifier, safe='')}", **params)

    def get(self, path: str, **params: int | str) -> dict[str, Any]:
        """Returns the JSON of a GET request. Raises ServeError without a response or if its status is an error."""
        try:
            response = self._http.get(path, params=params)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise ServeError(
                f"GET {path} from Ray Serve at {self._http.base_url} failed: {error}; run `./clickstream stack doctor`"
            ) from None
        return dict(response.json())

    def post_timed(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any], float | None]:
        """Returns status, JSON and the milliseconds that the server took (None if it does not say); status 0 without a response."""
        try:
            response = self._http.post(path, json=body)
        except httpx.TransportError:
            return 0, {}, None
        _, _, duration = response.headers.get(SERVER_TIMING, "").partition("dur=")
        document = response.json() if response.status_code == httpx.codes.OK else {}
        return response.status_code, document, float(duration) if duration else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()
