"""Nessie REST API v2 for the tools: references, commits, tables of a commit, differences between two refs, dropping a reference."""

from collections.abc import Iterator
from typing import Any

import httpx

from clickstream_contracts import lake_clients, names
from clickstream_contracts.settings import Settings
from tools.common import http
from tools.common.command import ServiceError, UsageError

Json = dict[str, Any]


class NessieUnreachable(ServiceError):
    """There is no response from Nessie; the text names its address."""


def request(settings: Settings, method: str, path: str, **content: Any) -> Any:
    """Send one request below /api/v2 and return the response's JSON, None if it has no body.

    Raises NessieUnreachable without a response, and UsageError with Nessie's message when it rejects the request.
    """
    try:
        with http.client(verify=lake_clients.tls_context(settings), headers=_headers(settings)) as client:
            response = client.request(method, f"{settings.nessie_uri}/api/v2/{path}", **content)
    except httpx.TransportError as error:
        raise NessieUnreachable(
            f"cannot reach Nessie at {settings.nessie_uri} ({error}); check CLICKSTREAM_NESSIE_URI and that Nessie runs"
        ) from None
    if response.is_error:
        raise UsageError(f"Nessie rejected {method} {path}: {_message(response)}")
    return response.json() if response.content else None


def _headers(settings: Settings) -> dict[str, str]:
    token = settings.nessie_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text or f"HTTP {response.status_code}"


def _pages(settings: Settings, path: str, key: str, **params: Any) -> Iterator[Json]:
    """Yields the items of a listing that Nessie returns in pages."""
    token = ""
    while True:
        page = request(settings, "GET", path, params=params | ({"page-token": token} if token else {}))
        yield from page[key]
        if not page.get("hasMore"):
            return
        token = page["token"]


def references(settings: Settings, kind: str, *, details: bool = False) -> list[Json]:
    """Returns `name` and `hash` of all references of a kind, BRANCH or TAG; `details` adds the commit, `metadata.commitMetaOfHEAD`."""
    fetch = {"fetch": "ALL"} if details else {}
    return list(_pages(settings, "trees", "references", filter=f"refType == '{kind}'", **fetch))


def commit_hash(settings: Settings, ref: str = names.MAIN) -> str:
    """Returns the commit that a branch or tag points at."""
    return str(request(settings, "GET", f"trees/{ref}")["reference"]["hash"])


def commits(settings: Settings, ref: str, limit: int) -> list[Json]:
    """Returns the metadata of the newest commits of a ref, the newest first."""
    entries = request(settings, "GET", f"trees/{ref}/history", params={"max-records": limit})["logEntries"]
    return [entry["commitMeta"] for entry in entries]


def history(settings: Settings, ref: str) -> Iterator[Json]:
    """Yields the commits of a ref with their `commitMeta` and `operations`, the newest first."""
    return _pages(settings, f"trees/{ref}/history", "logEntries", fetch="ALL")


def metadata_locations(settings: Settings, commit: str) -> dict[str, str]:
    """Returns the address of the metadata file of each table at a commit, by the table's name."""
    entries = _pages(settings, f"trees/@{commit}/entries", "entries", content="true")
    return {
        ".".join(entry["name"]["elements"]): entry["content"]["metadataLocation"] for entry in entries if entry["type"] == "ICEBERG_TABLE"
    }


def changed_tables(settings: Settings, left: str, right: str) -> list[str]:
    """Returns the names of the tables that differ between two refs."""
    diffs = request(settings, "GET", f"trees/{left}/diff/{right}")["diffs"]
    return sorted(".".join(diff["key"]["elements"]) for diff in diffs if (diff.get("to") or diff["from"])["type"] == "ICEBERG_TABLE")


def create_branch(settings: Settings, name: str, commit: str) -> None:
    """Create a branch at a commit."""
    request(settings, "POST", "trees", params={"name": name, "type": "BRANCH"}, json={"type": "DETACHED", "hash": commit})


def merge(settings: Settings, branch: str, since: str, message: str) -> bool:
    """Merge a branch, which was made from the commit `since` of main, as one commit; returns False if main has changed the same tables."""
    body = {
        "fromRefName": branch,
        "fromHash": commit_hash(settings, branch),
        "message": message,
        "defaultKeyMergeMode": "NORMAL",
        "isReturnConflictAsResult": True,
    }
    return bool(request(settings, "POST", f"trees/{names.MAIN}@{since}/history/merge", json=body)["wasSuccessful"])


def move_tag(settings: Settings, tag: str, old: str, new: str) -> None:
    """Let a tag point at the commit `new`; fails unless it points at `old`."""
    request(settings, "PUT", f"trees/{tag}@{old}", params={"type": "TAG"}, json={"type": "DETACHED", "hash": new})


def drop_branch(settings: Settings, branch: str) -> None:
    """Delete a branch at the commit it points at now; fails if it has got another commit meanwhile."""
    drop(settings, "BRANCH", branch, commit_hash(settings, branch))


def drop(settings: Settings, kind: str, name: str, commit: str) -> None:
    """Delete a BRANCH or TAG that points at a commit; fails if it points at another one."""
    request(settings, "DELETE", f"trees/{name}@{commit}", params={"type": kind})
