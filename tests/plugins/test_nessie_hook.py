"""The hook against a real Nessie: branches, the one merge, conflicts, lost answers, tags."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from clickstream.hooks.nessie import NessieConflict, NessieError, NessieHook, Ref
from tests.plugins.conftest import Lake


@pytest.fixture
def base(lake: Lake) -> Ref:
    """Main as the run pinned it."""
    return lake.hook.head("main")


@pytest.fixture
def branch(lake: Lake, base: Ref) -> Ref:
    """A fresh branch of the test's own."""
    return lake.hook.create_branch(f"run-{uuid4().hex[:8]}", base)


def test_creating_a_branch_again_keeps_its_work(lake: Lake, base: Ref, branch: Ref) -> None:
    worked = lake.write(branch.name, "curated.events")
    assert lake.hook.create_branch(branch.name, base) == worked


def test_a_branch_that_grew_from_an_older_main_is_made_anew(lake: Lake, branch: Ref) -> None:
    lake.write(branch.name, "curated.events")
    newer = lake.write("main", "raw.clicks")
    assert lake.hook.create_branch(branch.name, newer).hash == newer.hash


def test_a_merge_moves_all_tables_in_one_commit_and_leaves_the_others(lake: Lake, base: Ref, branch: Ref) -> None:
    lake.write(branch.name, "curated.events")
    audited = lake.write(branch.name, "marts.funnel_daily")
    meanwhile = lake.write("main", "raw.clicks")
    commit = lake.hook.merge(audited, base.hash, "release")
    assert lake.hook.diff(meanwhile, Ref("main", commit)) == ["curated.events", "marts.funnel_daily"]
    newest = next(lake.hook.history(Ref("main", commit), until=meanwhile.hash))
    assert newest.parents[1:] == (audited.hash,)


def test_a_merge_publishes_only_what_was_audited(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    before = lake.content("main", "curated.orders")
    lake.write(branch.name, "curated.orders")
    lake.hook.merge(audited, base.hash, "release")
    assert lake.content("main", "curated.orders") == before


def test_a_merge_that_was_done_is_found_again(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    commit = lake.hook.merge(audited, base.hash, "release")
    lake.write("main", "raw.clicks")
    assert lake.hook.merge(audited, base.hash, "once more") == commit


def test_a_conflict_names_the_tables_and_publishes_nothing(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events", "curated.orders")
    moved = lake.write("main", "curated.events")
    with pytest.raises(NessieConflict, match=r"main changed curated\.events .* nothing was published"):
        lake.hook.merge(audited, base.hash, "release")
    assert lake.hook.head("main") == moved


def test_a_dry_run_publishes_nothing(lake: Lake, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    lake.hook._merge(audited, base.hash, "rehearsal", dry_run=True)
    assert lake.hook.head("main") == base


class MisspeltDryRun(httpx.HTTPTransport):
    """Sends `dryRun`, which Nessie ignores, in the place of `isDryRun`."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read().replace(b'"isDryRun"', b'"dryRun"')
        headers = [(k, v) for k, v in request.headers.items() if k != "content-length"]
        return super().handle_request(httpx.Request(request.method, request.url, headers=headers, content=body))


def test_a_dry_run_that_nessie_did_not_understand_is_an_alarm(lake: Lake, nessie_uri: str, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    hook = NessieHook(nessie_uri, transport=MisspeltDryRun())
    with pytest.raises(NessieError, match="although a dry run was asked for"):
        hook.merge(audited, base.hash, "release")


class LostAnswer(httpx.HTTPTransport):
    """Lets Nessie do the first real merge, then loses its answer."""

    merges = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        real = b'"isDryRun":false' in request.read()
        answer = super().handle_request(request)
        self.merges += real
        if real and self.merges == 1:
            answer.close()
            raise httpx.ReadTimeout("lost", request=request)
        return answer


def test_a_merge_whose_answer_was_lost_is_not_done_twice(lake: Lake, nessie_uri: str, base: Ref, branch: Ref) -> None:
    audited = lake.write(branch.name, "curated.events")
    transport = LostAnswer()
    commit = NessieHook(nessie_uri, transport=transport).merge(audited, base.hash, "release")
    assert transport.merges == 1
    merged = [c.hash for c in lake.hook.history(lake.hook.head("main"), until=base.hash) if audited.hash in c.parents]
    assert merged == [commit]


class Restarting(httpx.HTTPTransport):
    """A server that refuses the first two connections."""

    refused = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.refused < 2:
            self.refused += 1
            raise httpx.ConnectError("refused", request=request)
        return super().handle_request(request)


def test_a_restarting_nessie_is_waited_for(nessie_uri: str, lake: Lake) -> None:
    transport = Restarting()
    assert NessieHook(nessie_uri, transport=transport).head("main") == lake.hook.head("main")
    assert transport.refused == 2


def test_merging_nothing_is_an_error(lake: Lake, base: Ref, branch: Ref) -> None:
    with pytest.raises(NessieError, match="nothing that main does not have"):
        lake.hook.merge(branch, base.hash, "release")


def test_a_tag_stays_where_it_is(lake: Lake, base: Ref) -> None:
    name = f"nightly-{uuid4().hex[:8]}"
    assert lake.hook.tag(name, base) == lake.hook.tag(name, base) == Ref(name, base.hash)
    elsewhere = lake.write("main", "raw.clicks")
    with pytest.raises(NessieError, match=f"tag {name} already stands at {base.hash}"):
        lake.hook.tag(name, elsewhere)


def test_a_branch_that_moved_is_not_deleted(lake: Lake, branch: Ref) -> None:
    now = lake.write(branch.name, "curated.events")
    with pytest.raises(NessieError, match="something still writes to it"):
        lake.hook.delete_branch(branch)
    assert [lake.hook.delete_branch(now), lake.hook.delete_branch(now)] == [True, False]


@pytest.mark.parametrize("ask", [lambda hook: hook.head("nobody"), lambda hook: hook.diff(Ref("nobody", "00"), Ref("main", "00"))])
def test_a_refusal_is_one_line_that_names_the_place(lake: Lake, ask: Any) -> None:
    with pytest.raises(NessieError, match="nobody") as refusal:
        ask(lake.hook)
    assert "\n" not in str(refusal.value)
