"""A replica follows the pointer while it loads a model, and waits for the rollout before it is ready."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clickstream_contracts.model_artefact import IncompatibleArtefact
from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.serving_api import CANDIDATE
from ray_apps.recommender.artefacts import Artefact
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.replica import wait_for_rollout
from ray_apps.serving.router import Router
from tests.ray_apps import serving
from tests.ray_apps.serving import FakeRolloutStore, artefact


@pytest.fixture
def store() -> FakeRolloutStore:
    store = FakeRolloutStore()
    store.current = Pointer("r1", stable=store.add(artefact()))
    return store


@pytest.fixture
def recommender(store: FakeRolloutStore) -> Recommender:
    return serving.recommender(store)


def test_a_rollback_is_followed_while_a_candidate_is_being_loaded(
    store: FakeRolloutStore, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, before, continued = recommender.router, store.current, threading.Event()
    load_model, loading = store.load_model, threading.Event()

    def load_slowly(sha256: str) -> Artefact:
        loading.set()
        assert continued.wait(30)
        return load_model(sha256)

    monkeypatch.setattr(store, "load_model", load_slowly)
    candidate = store.add(artefact("other data"))
    store.current = Pointer("r2", before.stable, candidate, 50)
    router.follow()
    assert router.state.pointer == before, "no user gets the candidate before it is loaded"
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(router.load)
        assert loading.wait(30)
        store.current = Pointer("r0", before.stable)
        router.follow()
        assert router.state.pointer == store.current
        continued.set()
        load.result()
    assert router.state.pointer == store.current, "the candidate that was loaded late is not served"
    assert router.metrics()[CANDIDATE]["model"] == ""


def test_a_replica_that_knows_nothing_waits_while_others_serve(store: FakeRolloutStore) -> None:
    router, others = Router(store), [True, True, False]
    wait_for_rollout(router, lambda: others.pop(0), 0)
    assert others == [], "it becomes ready when no other replica serves"
    store.models["bad"] = OSError("object store unreachable")
    store.current = Pointer("r1", "bad")
    router.refresh()
    assert not router.knows_rollout
    store.models["bad"] = IncompatibleArtefact("artefact format 1", "bad")
    assert Router(store).knows_rollout is False, "the pointer was not read yet"
    for pointer in (Pointer(), store.current):
        store.current, router = pointer, Router(store)
        router.refresh()
        wait_for_rollout(router, lambda: pytest.fail("it does not wait"), 0)
