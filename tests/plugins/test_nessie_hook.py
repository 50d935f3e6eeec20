"""The Nessie hook against a real Nessie: branches, merge, conflicts, lost responses, retries and tags."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from clickstream.hooks import nessie
from clickstream.hooks.nessie import NessieConflict, NessieError, NessieHook, Ref
from tests.plugins.conftest import Lake


@pytest.fixture
def base(lake: Lake) -> Ref:
    """Main with the commit that the branch is created from."""
    return lake.hook.head("main")


@pytest.fixture
def branch(lake: Lake, base: Ref) -> Ref:
    """A new branch for this test."""
    return lake.hook.create_branch(f"run-{uuid4().hex[:8]}", base)


def test_an_existing_branch_of_the_same_base_keeps_its_commits(lake: Lake, base: Ref, branch: Ref) -> None:
    head = lake.write(branch.name, "curated.events")
    assert lake.hook.create_branch(branch.name, base) == head


def test_an_existing_branch_of_an_older_main_is_replaced(lake: Lake, branch: Ref) -> None:
    lake.write(branch.name, "curated.events")
    newer_main = lake.write("main", "raw.clicks")
    assert lake.hook.create_branch(branch.name, newer_main).hash == newer_main.hash


def test_a_merge_changes_all_tables_in_one_commit_and_no_others(lake: Lake, base: Ref, branch: Ref) -> None:
    lake.write(branch.name, "curated.events")
    audited = lake.write(branch.name, "marts.funnel_daily")
    main_before_merge = lake.write("main", "raw.clicks")
    commit = lake.hook.merge(audited, base.hash, "release")
    assert lake.hook.diff(main_before_merge, Ref("main", commit)) == ["curated.events", "marts.funnel_daily"]
    newest = next(lake.hook.history(Ref("main", commit), until=main_before_merge.hash))
    assert newest.parents[1:] == (audited.hash,)


def test_a_merge_publishes_only_the_audited_commit(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    orders_before = lake.metadata_location("main", "curated.orders")
    lake.write(branch.name, "curated.orders")
    lake.hook.merge(audited, base.hash, "release")
    assert lake.metadata_location("main", "curated.orders") == orders_before


def test_a_second_merge_returns_the_commit_of_the_first(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    commit = lake.hook.merge(audited, base.hash, "release")
    lake.write("main", "raw.clicks")
    assert lake.hook.merge(audited, base.hash, "once more") == commit


def test_a_conflict_names_the_tables_and_publishes_nothing(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events", "curated.orders")
    newer_main = lake.write("main", "curated.events")
    message = rf"another writer changed curated\.events on main since the branch was made \(commit {base.hash}\); nothing was published"
    with pytest.raises(NessieConflict, match=message):
        lake.hook.merge(audited, base.hash, "release")
    assert lake.hook.head("main") == newer_main


def test_a_dry_run_publishes_nothing(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    lake.hook._send_merge(audited, base.hash, "dry run", dry_run=True)
    assert lake.hook.head("main") == base


def test_a_search_for_a_commit_that_main_lost_ends_at_the_time_of_the_commit(
    lake: Lake, branch: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Main gets thousands of commits a day, so a search to its first commit takes longer than a task may run."""
    monkeypatch.setattr(nessie, "CLOCK_DIFFERENCE", timedelta(0))
    lost = lake.write(branch.name, "curated.events")
    newer = [lake.write("main", "raw.clicks").hash for _ in range(2)]
    head = lake.hook.head("main")
    assert [commit.hash for commit in lake.hook.history(head, until=lost.hash)] == newer[::-1]
    assert not lake.hook.contains(head, lost.hash)
    assert lake.hook.contains(head, newer[0])


def test_a_commit_that_does_not_exist_is_contained_nowhere(lake: Lake, base: Ref) -> None:
    assert not lake.hook.contains(base, "00" * 32)


def test_branches_are_listed_by_their_prefix(lake: Lake, base: Ref) -> None:
    prefix = f"list-{uuid4().hex[:8]}_"
    listed = [lake.hook.create_branch(f"{prefix}{number}", base) for number in (1, 2)]
    lake.hook.tag(f"{prefix}tag", base)
    assert lake.hook.branches(prefix) == listed


class MisspeltDryRun(httpx.HTTPTransport):
    """Sends `dryRun`, which Nessie ignores, instead of `isDryRun`."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read().replace(b'"isDryRun"', b'"dryRun"')
        headers = [(name, value) for name, value in request.headers.items() if name != "content-length"]
        return super().handle_request(httpx.Request(request.method, request.url, headers=headers, content=body))


def test_a_dry_run_that_nessie_applied_is_an_error(lake: Lake, nessie_uri: str, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    hook = NessieHook(nessie_uri, transport=MisspeltDryRun())
    with pytest.raises(NessieError, match="although the request was a dry run"):
        hook.merge(audited, base.hash, "release")


class LostMergeResponse(httpx.HTTPTransport):
    """Lets Nessie apply the first merge, then loses the response."""

    merges = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_merge = b'"isDryRun":false' in request.read()
        response = super().handle_request(request)
        if is_merge:
            self.merges += 1
        if is_merge and self.merges == 1:
            response.close()
            raise httpx.ReadTimeout("lost", request=request)
        return response


def test_a_merge_whose_response_was_lost_is_not_repeated(lake: Lake, nessie_uri: str, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    transport = LostMergeResponse()
    commit = NessieHook(nessie_uri, transport=transport).merge(audited, base.hash, "release")
    assert transport.merges == 1
    history = lake.hook.history(lake.hook.head("main"), until=base.hash)
    assert [each.hash for each in history if audited.hash in each.parents] == [commit]


class RefusedConnections(httpx.HTTPTransport):
    """A server that refuses the first two connections."""

    refused = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.refused < 2:
            self.refused += 1
            raise httpx.ConnectError("refused", request=request)
        return super().handle_request(request)


def test_requests_are_retried_while_nessie_restarts(nessie_uri: str, lake: Lake) -> None:
    transport = RefusedConnections()
    assert NessieHook(nessie_uri, transport=transport).head("main") == lake.hook.head("main")
    assert transport.refused == 2


def test_merging_a_branch_without_changes_is_an_error(lake: Lake, base: Ref, branch: Ref) -> None:
    with pytest.raises(NessieError, match="has no change that main does not have"):
        lake.hook.merge(branch, base.hash, "release")


def test_a_tag_is_never_moved(lake: Lake, base: Ref) -> None:
    name = f"nightly-{uuid4().hex[:8]}"
    assert lake.hook.tag(name, base) == lake.hook.tag(name, base) == Ref(name, base.hash)
    other_commit = lake.write("main", "raw.clicks")
    with pytest.raises(NessieError, match=f"tag {name} already exists at {base.hash}"):
        lake.hook.tag(name, other_commit)


def test_a_branch_with_newer_commits_is_not_deleted(lake: Lake, branch: Ref) -> None:
    head = lake.write(branch.name, "curated.events")
    with pytest.raises(NessieError, match="something still writes to it"):
        lake.hook.delete_branch(branch)
    assert [lake.hook.delete_branch(head), lake.hook.delete_branch(head)] == [True, False]


@pytest.mark.parametrize(
    "request_missing_ref", [lambda hook: hook.head("nobody"), lambda hook: hook.diff(Ref("nobody", "00"), Ref("main", "00"))]
)
def test_a_rejected_request_is_reported_in_one_line_with_the_ref(lake: Lake, request_missing_ref: Callable[[NessieHook], object]) -> None:
    with pytest.raises(NessieError, match="nobody") as error:
        request_missing_ref(lake.hook)
    assert "\n" not in str(error.value)
