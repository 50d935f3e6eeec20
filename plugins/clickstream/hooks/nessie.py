"""Nessie over REST v2: refs, differences, history and the one merge that publishes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import httpx

from clickstream.hooks.rest import Rest
from clickstream_contracts.names import MAIN
from clickstream_contracts.settings import Settings


class NessieError(RuntimeError):
    """Nessie refused; the text says what was asked, what Nessie answered and what to do."""


class NessieConflict(NessieError):
    """The merge was refused because main holds other commits to the same tables, named in `keys`."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(f"main changed {', '.join(keys)} since this run pinned it: nothing was published")
        self.keys = keys


@dataclass(frozen=True)
class Ref:
    """A branch or tag at one commit."""

    name: str
    hash: str

    def __str__(self) -> str:
        return f"{self.name}@{self.hash}"


@dataclass(frozen=True)
class Commit:
    """One commit: the second parent, if any, is the commit that was merged."""

    hash: str
    parents: tuple[str, ...]
    message: str


class NessieHook:
    """Each method may be repeated after any failure: asking for what is already so changes nothing."""

    def __init__(self, uri: str, attempts: int = 8, transport: httpx.BaseTransport | None = None) -> None:
        self._rest = Rest(f"{uri}/api/v2", _refused, attempts, transport=transport)

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        return cls((settings or Settings.from_env()).nessie_uri)

    def ref(self, name: str) -> Ref | None:
        """The branch or tag as it is now, or None."""
        answer = self._rest.ask("GET", f"trees/{name}", allowed=(404,))
        return None if answer.status_code == 404 else _ref(answer.json()["reference"])

    def head(self, name: str) -> Ref:
        """The branch or tag as it is now; NessieError if there is none."""
        found = self.ref(name)
        if found is None:
            raise NessieError(f"Nessie has no branch or tag {name}: clear the run from create_branch")
        return found

    def create_branch(self, name: str, source: Ref) -> Ref:
        """The branch `name`, new at `source` or as it is if it already grew from there; one with another base is made anew."""
        found = self.ref(name)
        if found is not None and not self.contains(found, source.hash):
            self.delete_branch(found)
            found = None
        return found or self._create(name, "BRANCH", source)

    def tag(self, name: str, target: Ref) -> Ref:
        """The tag `name` at `target`; NessieError if it already stands elsewhere."""
        found = self.ref(name) or self._create(name, "TAG", target)
        if found.hash != target.hash:
            raise NessieError(f"tag {name} already stands at {found.hash}, not at {target.hash}: delete it if it is wrong")
        return found

    def delete_branch(self, branch: Ref) -> bool:
        """Delete the branch if it still stands at `branch.hash`; False if it was gone already."""
        answer = self._rest.ask("DELETE", f"trees/{branch}", params={"type": "BRANCH"}, allowed=(404, 409))
        if answer.status_code == 409:
            raise NessieError(f"branch {branch.name} moved on from {branch.hash}: something still writes to it")
        return answer.status_code != 404

    def diff(self, before: Ref, after: Ref) -> list[str]:
        """Names of the tables and namespaces that differ, e.g. `curated.events`."""
        found = self._pages(f"trees/{before}/diff/{after}", "diffs")
        return sorted(".".join(item["key"]["elements"]) for item in found)

    def history(self, ref: Ref, until: str) -> Iterator[Commit]:
        """Commits of `ref`, newest first, down to and with the commit `until`; to the very first if it is none of them."""
        for entry in self._pages(f"trees/{ref}/history", "logEntries"):
            meta = entry["commitMeta"]
            yield Commit(meta["hash"], tuple(meta["parentCommitHashes"]), meta["message"])
            if meta["hash"] == until:
                return

    def contains(self, ref: Ref, commit: str) -> bool:
        """Whether `commit` is the head of `ref` or one of its ancestors."""
        return ref.hash == commit or any(commit in (c.hash, *c.parents[:1]) for c in self.history(ref, until=commit))

    def published(self, audited: Ref, since: str) -> str | None:
        """The commit on main, after `since`, that merged `audited`; None if it is not merged."""
        found = (c.hash for c in self.history(self.head(MAIN), until=since) if audited.hash in c.parents[1:])
        return next(found, None)

    def merge(self, audited: Ref, since: str, message: str) -> str:
        """Publish exactly `audited` on main in one commit and return that commit, also if an earlier try already did it.

        `since` is the commit of main that the branch grew from. Raises NessieConflict when main changed the same tables.
        """
        self._rest.retrying(self._merge, audited, since, message, dry_run=True)
        commit = None
        for attempt in self._rest.retrying:
            with attempt:
                # The answer of an earlier try may be lost although the merge was done: main's history knows.
                commit = self.published(audited, since)
                if commit is None:
                    self._merge(audited, since, message, dry_run=False)
                    commit = self.published(audited, since)
        if commit is None:
            raise NessieError(f"{audited} holds nothing that main does not have")
        return commit

    def _merge(self, audited: Ref, since: str, message: str, dry_run: bool) -> None:
        """One merge request. Nessie ignores keys that it does not know, so a misspelt isDryRun would publish."""
        body = {
            "fromRefName": audited.name,
            "fromHash": audited.hash,
            "message": message,
            "defaultKeyMergeMode": "NORMAL",
            "isDryRun": dry_run,
            "isReturnConflictAsResult": True,
            "isFetchAdditionalInfo": False,
        }
        answer = self._rest.once("POST", f"trees/{MAIN}@{since}/history/merge", json=body).json()
        if not answer["wasSuccessful"]:
            raise NessieConflict(sorted(".".join(d["key"]["elements"]) for d in answer["details"] if d.get("conflict")))
        if dry_run and answer["wasApplied"]:
            raise NessieError(f"Nessie published {audited} although a dry run was asked for: stop and look at main's history")

    def _create(self, name: str, kind: str, source: Ref) -> Ref:
        body = {"type": "BRANCH", "name": MAIN, "hash": source.hash}
        answer = self._rest.ask("POST", "trees", params={"name": name, "type": kind}, json=body, allowed=(409,))
        return self.head(name) if answer.status_code == 409 else _ref(answer.json()["reference"])

    def _pages(self, path: str, field: str) -> Iterator[dict[str, Any]]:
        token: str | None = ""
        while token is not None:
            page = self._rest.ask("GET", path, params={"page-token": token} if token else {}).json()
            yield from page[field]
            token = page.get("token") if page.get("hasMore") else None


def _refused(request: str, answer: httpx.Response) -> NessieError:
    return NessieError(f"Nessie refused {request}: {answer.status_code} {_reason(answer)}")


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return answer.text[:200]


def _ref(body: dict[str, Any]) -> Ref:
    return Ref(body["name"], body["hash"])
