"""The router follows the pointer, a failing candidate does not affect the stable variant, and every response names its source."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from clickstream_contracts.model_artefact import ArtefactError
from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.serving_api import CANDIDATE, NO_VARIANT, STABLE
from ray_apps.recommender.ranker import Model
from ray_apps.recommender.sessions import Ints, Queries
from ray_apps.serving import scorer as scorer_module
from ray_apps.serving.ranking_thread import RankingThread
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.router import RETRY_SECONDS, Router
from ray_apps.serving.scorer import Scorer
from ray_apps.serving.split import variant_of
from tests.ray_apps import serving
from tests.ray_apps.serving import FakeRolloutStore, artefact

USERS = [f"u-{number}" for number in range(40)]
TOP = 5


class FailsAfterWarmUp(Model):
    """A model that ranks once (the warm-up) and then raises."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.index, model.booster)
        object.__setattr__(self, "calls", 0)

    def rank(self, queries: Queries, top: int) -> Ints:
        object.__setattr__(self, "calls", self.__dict__["calls"] + 1)
        if self.__dict__["calls"] > 1:
            raise RuntimeError("the model fails on purpose")
        return super().rank(queries, top)


class BlocksAfterWarmUp(FailsAfterWarmUp):
    """A model that ranks once, and then not before `released` is set."""

    released = threading.Event()

    def rank(self, queries: Queries, top: int) -> Ints:
        try:
            return super().rank(queries, top)
        except RuntimeError:
            self.released.wait(30)
            return Model.rank(self, queries, top)


@pytest.fixture
def store() -> FakeRolloutStore:
    store = FakeRolloutStore()
    store.current = Pointer("r1", stable=store.add(artefact()))
    return store


@pytest.fixture
def recommender(store: FakeRolloutStore) -> Recommender:
    return serving.recommender(store)


def ids(response: dict[str, object]) -> list[str]:
    items = response["items"]
    assert isinstance(items, list)
    return [item["id"] for item in items]


def users_of(variant: str, share: int) -> list[str]:
    return [user for user in USERS if variant_of(user, share) == variant]


def test_a_view_changes_the_list_and_viewed_items_are_left_out(recommender: Recommender) -> None:
    recommender.views.add("u", "p-3", 1)
    before = recommender.for_user("u", TOP)
    recommender.views.add("u", "p-41", 2)
    after = recommender.for_user("u", TOP)
    stable = artefact().manifest.sha256
    assert {**after, "items": []} == {"items": [], "release": "r1", "model": stable, "variant": STABLE, "fallback": ""}
    assert len(ids(before)) == len(ids(after)) == TOP
    assert ids(before) != ids(after)
    assert not {"p-3", "p-41"} & set(ids(after))
    assert {"p-3", "p-41"} & set(ids(recommender.for_user("u", TOP, seen=True)))


def test_a_response_holds_the_list_of_the_model(recommender: Recommender) -> None:
    scorer = Scorer(artefact())
    assert ids(recommender.for_session(["p-3", "p-4"], "", TOP, seen=True)) == scorer.rank(["p-3", "p-4"], TOP, seen=True)


def test_items_that_the_model_does_not_know_are_ignored() -> None:
    scorer = Scorer(artefact())
    assert scorer.rank(["p-3", "unknown item"], TOP) == scorer.rank(["p-3"], TOP)


def test_similar_items_are_other_items_by_descending_score(recommender: Recommender) -> None:
    response = recommender.similar("p-7", TOP)
    scores = [item["score"] for item in response["items"]]
    assert scores == sorted(scores, reverse=True)
    assert "p-7" not in ids(response)
    assert response["fallback"] == ""


def test_unknown_users_and_items_get_popular_items_and_the_reason(recommender: Recommender) -> None:
    popular = Scorer(artefact()).popular(TOP)
    recommender.views.add("viewer of a new item", "new", 1)
    responses = {
        "unknown user": recommender.for_user("stranger", TOP),
        "unknown item": recommender.for_user("viewer of a new item", TOP),
        "empty session": recommender.for_session([], "", TOP),
    }
    for fallback, response in responses.items():
        assert response["fallback"] == fallback
        assert ids(response) == popular
    assert recommender.for_session(["new"], "", TOP)["fallback"] == recommender.similar("new", TOP)["fallback"] == "unknown item"


def test_the_list_of_the_stream_is_preferred_to_popular_items(recommender: Recommender) -> None:
    recommender.lists.put("u", ["streamed", "list"])
    response = recommender.for_user("u", 1)
    assert (ids(response), response["fallback"], response["model"]) == (["streamed"], "recommendations stream", "")
    recommender.views.add("u", "p-1", 1)
    assert recommender.for_user("u", TOP)["fallback"] == ""


def test_impressions_and_clicks_count_for_the_variant_of_the_user(store: FakeRolloutStore, recommender: Recommender) -> None:
    store.current = replace(store.current, candidate=store.add(artefact("tag 2")), share=50)
    recommender.router.refresh()
    for user in USERS:
        recommender.views.add(user, "p-3", 1)
        recommender.for_user(user, TOP)
    recommender.for_session(["p-3"], "", TOP)
    candidate_users = users_of(CANDIDATE, 50)
    clicked_item = ids(recommender.for_user(candidate_users[0], TOP))[0]
    recommender.impressions.record_view(candidate_users[0], clicked_item, time.time_ns() // 1_000_000 + 1)
    metrics = recommender.router.metrics()
    assert (metrics[CANDIDATE]["shown"], metrics[CANDIDATE]["clicked"]) == (len(candidate_users) + 1, 1)
    assert (metrics[STABLE]["shown"], metrics[STABLE]["clicked"]) == (len(USERS) - len(candidate_users), 0)


def test_without_a_model_popular_items_come_from_the_recent_views() -> None:
    recommender = serving.recommender(FakeRolloutStore())
    empty = recommender.for_user("u", TOP)
    assert empty == {"items": [], "release": "", "model": "", "variant": NO_VARIANT, "fallback": "no model yet"}
    for number, item in enumerate(["b", "a", "b"]):
        recommender.views.add(f"u-{number}", item, number)
    assert ids(recommender.similar("a", TOP)) == ids(recommender.for_user("u-1", TOP)) == ["b", "a"]


def test_the_pointer_moves_users_and_each_model_is_loaded_once(store: FakeRolloutStore, recommender: Recommender) -> None:
    stable, candidate = store.current.stable, store.add(artefact("other data"))
    recommender.router.refresh()
    assert store.reads == ["pointer", stable]
    store.current = Pointer("r2", stable, candidate, 30)
    recommender.router.refresh()
    for user in USERS:
        response = recommender.for_session(["p-3"], user, TOP)
        expected = (CANDIDATE, candidate, "r2") if variant_of(user, 30) == CANDIDATE else (STABLE, stable, "r1")
        assert (response["variant"], response["model"], response["release"]) == expected
    store.current = Pointer("r3", candidate)
    recommender.router.refresh()
    assert {recommender.for_session(["p-3"], user, TOP)["model"] for user in USERS} == {candidate}
    assert store.reads.count(candidate) == 1


@pytest.mark.parametrize("failure", ["flipped byte", "raises", "missing"])
def test_a_failing_candidate_falls_back_to_stable_and_counts_errors(
    store: FakeRolloutStore, recommender: Recommender, failure: str
) -> None:
    before = {user: recommender.for_session(["p-3"], user, TOP) for user in USERS}
    candidate = artefact("other data")
    if failure == "raises":
        candidate = replace(candidate, model=FailsAfterWarmUp(candidate.model))
    sha256 = store.add(candidate)
    if failure == "flipped byte":
        store.models[sha256] = ArtefactError("items.arrow: checksum differs")
    if failure == "missing":
        store.models[sha256] = LookupError("no folder")
    store.current = replace(store.current, candidate=sha256, share=50)
    recommender.router.refresh()
    candidate_users = users_of(CANDIDATE, 50)
    for user in USERS:
        fallback = "candidate failed" if user in candidate_users else ""
        assert recommender.for_session(["p-3"], user, TOP) == before[user] | {"fallback": fallback}
    metrics = recommender.router.metrics()
    assert (metrics[CANDIDATE]["requests"], metrics[CANDIDATE]["errors"]) == (len(candidate_users), len(candidate_users))
    assert (metrics[STABLE]["requests"], metrics[STABLE]["errors"]) == (2 * len(USERS), 0)
    store.current = replace(store.current, candidate="", share=0)
    recommender.router.refresh()
    assert {user: recommender.for_session(["p-3"], user, TOP) for user in USERS} == before


def test_a_candidate_that_misses_the_deadline_delays_nobody(
    store: FakeRolloutStore, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    stable_users, (first, second, *_) = users_of(STABLE, 50), users_of(CANDIDATE, 50)
    expected = {user: recommender.for_session(["p-3"], user, TOP) for user in USERS}
    monkeypatch.setattr(scorer_module, "RankingThread", lambda: RankingThread(0.2))
    model = BlocksAfterWarmUp(artefact("other data").model)
    store.current = replace(store.current, candidate=store.add(replace(artefact("other data"), model=model)), share=50)
    recommender.router.refresh()
    try:
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(recommender.for_session, ["p-3"], first, TOP)
            assert [recommender.for_session(["p-3"], user, TOP) for user in stable_users] == [expected[user] for user in stable_users]
            assert late.result() == expected[first] | {"fallback": "candidate failed"}
        # The candidate still computes the first list, and is not asked for another one.
        assert recommender.for_session(["p-3"], second, TOP) == expected[second] | {"fallback": "candidate failed"}
        assert model.__dict__["calls"] == 2
    finally:
        model.released.set()
    metrics = recommender.router.metrics()
    assert (metrics[CANDIDATE]["errors"], metrics[STABLE]["errors"]) == (2, 0)


def test_sessions_without_a_user_are_split_by_their_session_id(store: FakeRolloutStore, recommender: Recommender) -> None:
    store.current = replace(store.current, candidate=store.add(artefact("other data")), share=50)
    recommender.router.refresh()
    for session in USERS:
        expected = variant_of(session, 50)
        assert recommender.for_session(["p-3"], "", TOP, session_id=session)["variant"] == expected
        assert recommender.similar("p-3", TOP, session)["variant"] == expected
    both = recommender.for_session(["p-3"], users_of(STABLE, 50)[0], TOP, session_id=users_of(CANDIDATE, 50)[0])
    assert both["variant"] == STABLE, "the user id comes first"


def test_the_check_of_a_rollout_asks_each_variant_whatever_the_share(store: FakeRolloutStore, recommender: Recommender) -> None:
    candidate = store.add(artefact("other data"))
    for share in (1, 100):
        store.current = Pointer("r2", store.current.stable, candidate, share)
        recommender.router.refresh()
        responses = {variant: recommender.for_session(["p-3"], "", TOP, variant=variant) for variant in (STABLE, CANDIDATE)}
        models = {variant: response["model"] for variant, response in responses.items()}
        assert models == {STABLE: store.current.stable, CANDIDATE: candidate}


def test_only_lists_of_the_model_are_impressions(recommender: Recommender) -> None:
    recommender.lists.put("u-streamed", ["p-9"])
    assert recommender.for_user("stranger", TOP)["fallback"] == "unknown user"
    assert recommender.for_user("u-streamed", TOP)["fallback"] == "recommendations stream"
    assert recommender.router.metrics()[STABLE]["shown"] == 0


def test_a_stable_model_that_cannot_be_loaded_leaves_the_previous_one_in_service(store: FakeRolloutStore, recommender: Recommender) -> None:
    previous = store.current.stable
    store.models["bad"] = ArtefactError("ranker.txt: checksum differs")
    store.current = Pointer("r2", "bad")
    recommender.router.refresh()
    response = recommender.for_session(["p-3"], "u", TOP)
    assert (response["model"], response["release"], response["fallback"]) == (previous, "r1", "")
    assert recommender.router.metrics()[STABLE]["model"] == previous


def test_a_model_that_failed_to_load_is_retried_after_a_delay(store: FakeRolloutStore) -> None:
    now = 0.0
    sha256 = store.current.stable
    model = store.models[sha256]
    store.models[sha256] = OSError("object store unreachable")
    router = Router(store, clock=lambda: now)
    for _ in range(3):
        router.refresh()
    assert store.reads.count(sha256) == 1
    assert router.call("u", lambda scorer: scorer.popular(1)).failure == "stable failed"
    store.models[sha256], now = model, RETRY_SECONDS + 1
    router.refresh()
    assert router.call("u", lambda scorer: scorer.popular(1)).items


def test_an_unreachable_store_leaves_the_state_unchanged(store: FakeRolloutStore, recommender: Recommender) -> None:
    before = recommender.router.state
    store.unreachable, store.current = True, Pointer()
    with pytest.raises(OSError, match="no route"):
        recommender.router.refresh()
    assert recommender.router.state is before


def test_a_recommendation_takes_a_few_milliseconds_of_cpu(recommender: Recommender) -> None:
    start = time.process_time()
    for _ in range(50):
        recommender.for_session(["p-3", "p-9", "p-12"], "u", 20)
    assert (time.process_time() - start) / 50 < 0.02
