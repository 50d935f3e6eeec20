"""Nessie REST API v2: references, diffs, commit history, and the merge that publishes a branch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import httpx

from clickstream.hooks import connections
from clickstream.hooks.http_client import HttpClient
from clickstream_contracts.names import MAIN
from clickstream_contracts.settings import Settings


class NessieError(RuntimeError):
    """Nessie rejected a request; the text holds the request, the reason and what to do."""


class NessieConflict(NessieError):
    """The merge was rejected: main has newer commits to the same tables, listed in `tables`."""

    def __init__(self, tables: list[str], since: str) -> None:
        super().__init__(
            f"merge conflict: another writer changed {', '.join(tables)} on main since the branch was made (commit {since});"
            " nothing was published"
        )
        self.tables = tables


@dataclass(frozen=True)
class Ref:
    """A branch or tag at one commit."""

    name: str
    hash: str

    def __str__(self) -> str:
        return f"{self.name}@{self.hash}"


@dataclass(frozen=True)
class Commit:
    """One commit. A merge commit has the merged commit as its second parent."""

    hash: str
    parents: tuple[str, ...]
    message: str
    time: datetime


# Two Nessie servers with different clocks may write commits whose times are not in the order of the history.
CLOCK_DIFFERENCE = timedelta(hours=1)


class NessieHook:
    """One Nessie server. Every method is idempotent and may be repeated after any failure."""

    def __init__(self, uri: str, token: str = "", attempts: int = 8, transport: httpx.BaseTransport | None = None) -> None:
        self._http = HttpClient(f"{uri}/api/v2", _rejection_error, attempts, token=token, transport=transport)

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """Returns the hook of the connection clickstream_nessie or, without it, of the settings."""
        nessie = connections.endpoint(connections.NESSIE, (settings or Settings.from_env()).nessie_uri)
        return cls(nessie.uri, nessie.token)

    def ref(self, name: str) -> Ref | None:
        """Returns the branch or tag with its current commit, or None."""
        response = self._http.request("GET", f"trees/{name}", accepted=(404,))
        return None if response.status_code == 404 else _parse_ref(response.json()["reference"])

    def find_tag(self, name: str) -> Ref | None:
        """Returns the tag with its commit, or None. Raises NessieError if it is a branch."""
        response = self._http.request("GET", f"trees/{name}", accepted=(404,))
        if response.status_code == 404:
            return None
        reference = response.json()["reference"]
        if reference["type"] != "TAG":
            raise NessieError(f"{name} is a branch, whose data may change: name a tag")
        return _parse_ref(reference)

    def head(self, name: str) -> Ref:
        """Returns the branch or tag with its current commit. Raises NessieError if it does not exist."""
        ref = self.ref(name)
        if ref is None:
            raise NessieError(f"Nessie has no branch or tag {name}: clear the run from pin_main")
        return ref

    def create_branch(self, name: str, source: Ref) -> Ref:
        """Returns the branch `name`, created at `source`.

        An existing branch is kept with its commits if it contains `source`, and replaced otherwise.
        """
        branch = self.ref(name)
        if branch is not None and not self.contains(branch, source.hash):
            self.delete_branch(branch)
            branch = None
        return branch or self._create(name, "BRANCH", source)

    def tag(self, name: str, target: Ref) -> Ref:
        """Returns the tag `name` at `target`. Raises NessieError if the tag exists at another commit."""
        tag = self.ref(name) or self._create(name, "TAG", target)
        if tag.hash != target.hash:
            raise NessieError(f"tag {name} already exists at {tag.hash}, not at {target.hash}: delete it if it is wrong")
        return tag

    def delete_branch(self, branch: Ref) -> bool:
        """Deletes the branch if its head is still `branch.hash`. Returns False if it did not exist."""
        response = self._http.request("DELETE", f"trees/{branch}", params={"type": "BRANCH"}, accepted=(404, 409))
        if response.status_code == 409:
            raise NessieError(f"branch {branch.name} has commits after {branch.hash}: something still writes to it")
        return response.status_code != 404

    def diff(self, before: Ref, after: Ref) -> list[str]:
        """Returns the names of the tables and namespaces that differ, e.g. `curated.events`, sorted."""
        differences = self._pages(f"trees/{before}/diff/{after}", "diffs")
        return sorted(".".join(difference["key"]["elements"]) for difference in differences)

    def branches(self, prefix: str) -> list[Ref]:
        """Returns the branches whose names begin with `prefix`, sorted by name."""
        references = self._pages("trees", "references", filter=f"refType == 'BRANCH' && ref.name.startsWith('{prefix}')")
        return sorted((_parse_ref(reference) for reference in references), key=lambda ref: ref.name)

    def commit(self, commit_hash: str) -> Commit | None:
        """Returns a commit of any branch, also of a deleted one; None if Nessie does not have it."""
        response = self._http.request("GET", f"trees/@{commit_hash}/history", accepted=(404,), params={"max-records": 1})
        return None if response.status_code == 404 else _parse_commit(response.json()["logEntries"][0])

    def history(self, ref: Ref, until: str) -> Iterator[Commit]:
        """Yields the commits of `ref`, newest first, up to and including the commit `until`.

        If `until` is not among them, the history ends at its time: main gets thousands of commits a day, and no commit that is
        older than `until` follows from it.
        """
        last = self.commit(until)
        if last is None:
            return
        for entry in self._pages(f"trees/{ref}/history", "logEntries"):
            commit = _parse_commit(entry)
            if commit.time < last.time - CLOCK_DIFFERENCE:
                return
            yield commit
            if commit.hash == until:
                return

    def contains(self, ref: Ref, commit_hash: str) -> bool:
        """Returns whether a commit is the head of `ref` or one of its ancestors."""
        if ref.hash == commit_hash:
            return True
        return any(commit_hash in (commit.hash, *commit.parents[:1]) for commit in self.history(ref, until=commit_hash))

    def merge_commit(self, audited: Ref, since: str) -> str | None:
        """Returns the commit of main, after the commit `since`, that merged `audited`; None if it is not merged."""
        for commit in self.history(self.head(MAIN), until=since):
            if audited.hash in commit.parents[1:]:
                return commit.hash
        return None

    def merge(self, audited: Ref, since: str, message: str) -> str:
        """Merges exactly `audited` into main as one commit and returns that commit, also if an earlier attempt already merged it.

        `since` is the commit of main that the branch was created from. Raises NessieConflict if main changed the same tables.
        """
        self._http.retrying(self._send_merge, audited, since, message, dry_run=True)
        commit_hash = None
        for attempt in self._http.retrying:
            with attempt:
                # The response of an earlier attempt may be lost although Nessie merged: main's history shows it.
                commit_hash = self.merge_commit(audited, since)
                if commit_hash is None:
                    self._send_merge(audited, since, message, dry_run=False)
                    commit_hash = self.merge_commit(audited, since)
        if commit_hash is None:
            raise NessieError(f"nothing to merge: {audited} has no change that main does not have")
        return commit_hash

    def _send_merge(self, audited: Ref, since: str, message: str, dry_run: bool) -> None:
        """Sends one merge request. Nessie ignores keys that it does not know, so a misspelt isDryRun would publish."""
        body = {
            "fromRefName": audited.name,
            "fromHash": audited.hash,
            "message": message,
            "defaultKeyMergeMode": "NORMAL",
            "isDryRun": dry_run,
            "isReturnConflictAsResult": True,
            "isFetchAdditionalInfo": False,
        }
        result = self._http.request_once("POST", f"trees/{MAIN}@{since}/history/merge", json=body).json()
        if not result["wasSuccessful"]:
            conflicts = [detail for detail in result["details"] if detail.get("conflict")]
            raise NessieConflict(sorted(".".join(detail["key"]["elements"]) for detail in conflicts), since)
        if dry_run and result["wasApplied"]:
            raise NessieError(f"Nessie merged {audited} although the request was a dry run: stop and check the history of main")

    def _create(self, name: str, kind: str, source: Ref) -> Ref:
        body = {"type": "BRANCH", "name": MAIN, "hash": source.hash}
        response = self._http.request("POST", "trees", params={"name": name, "type": kind}, json=body, accepted=(409,))
        return self.head(name) if response.status_code == 409 else _parse_ref(response.json()["reference"])

    def _pages(self, path: str, field: str, **params: str) -> Iterator[dict[str, Any]]:
        token: str | None = ""
        while token is not None:
            page = self._http.request("GET", path, params=params | ({"page-token": token} if token else {})).json()
            yield from page[field]
            token = page.get("token") if page.get("hasMore") else None


def _rejection_error(request: str, response: httpx.Response) -> NessieError:
    return NessieError(f"Nessie rejected {request}: {response.status_code} {_reason(response)}")


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError):
        return response.text[:200]


def _parse_ref(body: dict[str, Any]) -> Ref:
    return Ref(body["name"], body["hash"])


def _parse_commit(entry: dict[str, Any]) -> Commit:
    meta = entry["commitMeta"]
    return Commit(meta["hash"], tuple(meta["parentCommitHashes"]), meta["message"], datetime.fromisoformat(meta["commitTime"]))
