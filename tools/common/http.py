"""HTTP to the project's servers. One rule for proxies: addresses of this machine are never reached through one."""

import os
import ssl
from typing import Any

import httpx

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT_SECONDS = 30.0


def client(
    base_url: str = "",
    timeout: float = TIMEOUT_SECONDS,
    headers: dict[str, str] | None = None,
    verify: ssl.SSLContext | bool = True,
) -> httpx.Client:
    """Returns a client that takes proxies from the environment for all addresses but those of this machine.

    `verify`: the certificates that it trusts, see `lake_clients.tls_context`.
    """
    direct: dict[str, httpx.BaseTransport | None] = {f"all://{_bracketed(host)}": None for host in LOOPBACK}
    return httpx.Client(base_url=base_url, timeout=timeout, headers=headers, mounts=direct, verify=verify)


def request(
    method: str, url: str, timeout: float = TIMEOUT_SECONDS, headers: dict[str, str] | None = None, **content: Any
) -> httpx.Response:
    """Send one request; `content` is httpx's `params`, `json` or `content`. Raises httpx.HTTPError when there is no response."""
    with client(timeout=timeout, headers=headers) as http:
        return http.request(method, url, **content)


def get(url: str, timeout: float = TIMEOUT_SECONDS, headers: dict[str, str] | None = None) -> httpx.Response:
    """Send one GET request. Raises httpx.HTTPError when there is no response."""
    return request("GET", url, timeout, headers)


def bypass_proxies_on_loopback() -> None:
    """Add this machine's addresses to NO_PROXY, for libraries that choose a proxy by themselves: PyIceberg, requests, boto3.

    What the user set stays. Both spellings are written, because libraries differ in which one wins.
    """
    listed = [host.strip() for name in ("no_proxy", "NO_PROXY") for host in os.environ.get(name, "").split(",")]
    hosts = dict.fromkeys(host for host in (*listed, *LOOPBACK) if host)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(hosts)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
