"""The pointer is followed, a bad candidate touches nobody else, and there is always an answer that says what it is."""

import time
from dataclasses import replace

import pytest

from ray_apps.recommender.artefacts import ArtefactError
from ray_apps.recommender.ranker import Model
from ray_apps.recommender.sessions import Ints, Queries
from ray_apps.serving.arms import Arms
from ray_apps.serving.pointer import Pointer
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.scorer import Scorer
from ray_apps.serving.split import CANDIDATE, NONE, STABLE, arm
from tests.ray_apps import serving
from tests.ray_apps.serving import FakeLake, artefact

USERS = [f"u-{number}" for number in range(40)]
TOP = 5


class BreaksLater(Model):
    """A model that is fine until visitors come."""

    def __init__(self, good: Model) -> None:
        super().__init__(good.index, good.booster)
        object.__setattr__(self, "asked", 0)

    def rank(self, queries: Queries, top: int) -> Ints:
        object.__setattr__(self, "asked", self.__dict__["asked"] + 1)
        if self.__dict__["asked"] > 1:
            raise RuntimeError("planted")
        return super().rank(queries, top)


@pytest.fixture
def lake() -> FakeLake:
    found = FakeLake()
    stable = found.add(artefact())
    found.now = Pointer("r1", stable)
    return found


@pytest.fixture
def here(lake: FakeLake) -> Recommender:
    return serving.recommender(lake)


def ids(answer: dict[str, object]) -> list[str]:
    items = answer["items"]
    assert isinstance(items, list)
    return [item["id"] for item in items]


def test_a_view_changes_the_list_and_what_was_viewed_is_not_in_it(here: Recommender) -> None:
    here.views.add("u", "p-3", 1)
    before = here.for_user("u", TOP)
    here.views.add("u", "p-41", 2)
    after = here.for_user("u", TOP)
    stable = artefact().manifest.sha256
    assert {**after, "items": []} == {"items": [], "release": "r1", "model": stable, "arm": STABLE, "fallback": ""}
    assert len(ids(before)) == len(ids(after)) == TOP
    assert ids(before) != ids(after)
    assert not {"p-3", "p-41"} & set(ids(after))
    assert {"p-3", "p-41"} & set(ids(here.for_user("u", TOP, seen=True)))


def test_the_list_is_the_model_s_own(here: Recommender) -> None:
    scorer = Scorer(artefact())
    assert ids(here.for_session(["p-3", "p-4"], "", TOP, seen=True)) == scorer.rank(["p-3", "p-4"], TOP, seen=True)
    assert scorer.rank(["p-3", "unheard of"], TOP) == scorer.rank(["p-3"], TOP)


def test_similar_items_are_other_items_the_nearest_first(here: Recommender) -> None:
    answer = here.similar("p-7", TOP)
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert "p-7" not in ids(answer)
    assert answer["fallback"] == ""


def test_what_is_not_known_gets_what_is_popular_and_the_reason(here: Recommender) -> None:
    popular = Scorer(artefact()).popular(TOP)
    here.views.add("visitor of a new item", "new", 1)
    answers = {
        "unknown user": here.for_user("stranger", TOP),
        "unknown item": here.for_user("visitor of a new item", TOP),
        "empty session": here.for_session([], "", TOP),
    }
    assert {why: answer["fallback"] for why, answer in answers.items()} == {why: why for why in answers}
    assert here.for_session(["new"], "", TOP)["fallback"] == here.similar("new", TOP)["fallback"] == "unknown item"
    assert all(ids(answer) == popular for answer in answers.values())


def test_the_stream_s_list_comes_before_what_is_popular(here: Recommender) -> None:
    here.lists.put("u", ["fresh", "list"])
    answer = here.for_user("u", 1)
    assert (ids(answer), answer["fallback"], answer["model"]) == (["fresh"], "recommendations stream", "")
    here.views.add("u", "p-1", 1)
    assert here.for_user("u", TOP)["fallback"] == ""


def test_a_list_counts_as_shown_for_the_arm_that_its_user_is_on(lake: FakeLake, here: Recommender) -> None:
    lake.now = replace(lake.now, candidate=lake.add(artefact("tag 2")), share=50)
    here.arms.follow()
    for user in USERS:
        here.for_user(user, TOP)
    here.for_session(["p-3"], "", TOP)
    on_trial = [user for user in USERS if arm(user, 50) == CANDIDATE]
    here.shown.viewed(on_trial[0], ids(here.for_user(on_trial[0], TOP))[0], time.time_ns() // 1_000_000 + 1)
    told = here.arms.tallies()
    assert (told[CANDIDATE]["shown"], told[CANDIDATE]["clicked"]) == (len(on_trial) + 1, 1)
    assert (told[STABLE]["shown"], told[STABLE]["clicked"]) == (len(USERS) - len(on_trial), 0)


def test_without_a_model_the_views_say_what_is_popular() -> None:
    here = serving.recommender(FakeLake())
    nothing = here.for_user("u", TOP)
    assert nothing == {"items": [], "release": "", "model": "", "arm": NONE, "fallback": "no model yet"}
    for at, item in enumerate(["b", "a", "b"]):
        here.views.add(f"u-{at}", item, at)
    assert ids(here.similar("a", TOP)) == ids(here.for_user("u-1", TOP)) == ["b", "a"]


def test_the_pointer_moves_users_and_an_unmoved_one_costs_nothing(lake: FakeLake, here: Recommender) -> None:
    stable, candidate = lake.now.stable, lake.add(artefact("other data"))
    here.arms.follow()
    assert lake.asked == ["pointer", stable]
    lake.now = Pointer("r2", stable, candidate, 30)
    here.arms.follow()
    for user in USERS:
        answer = here.for_session(["p-3"], user, TOP)
        assert (answer["arm"], answer["model"]) == ((CANDIDATE, candidate) if arm(user, 30) == CANDIDATE else (STABLE, stable))
    lake.now = Pointer("r3", candidate)
    here.arms.follow()
    assert {here.for_session(["p-3"], user, TOP)["model"] for user in USERS} == {candidate}
    assert lake.asked.count(candidate) == 1


@pytest.mark.parametrize("broken", ["flipped byte", "raises", "missing"])
def test_a_bad_candidate_leaves_the_stable_share_alone(lake: FakeLake, here: Recommender, broken: str) -> None:
    before = {user: here.for_session(["p-3"], user, TOP) for user in USERS}
    bad = artefact("other data")
    name = lake.add(replace(bad, model=BreaksLater(bad.model)) if broken == "raises" else bad)
    if broken == "flipped byte":
        lake.models[name] = ArtefactError("items.arrow: is not what was written")
    if broken == "missing":
        lake.models[name] = LookupError("no folder")
    lake.now = replace(lake.now, candidate=name, share=50)
    here.arms.follow()
    chosen = [user for user in USERS if arm(user, 50) == CANDIDATE]
    for user in USERS:
        answer = here.for_session(["p-3"], user, TOP)
        assert answer == before[user] | ({"fallback": "candidate failed"} if user in chosen else {})
    told = here.arms.tallies()
    assert (told[CANDIDATE]["requests"], told[CANDIDATE]["errors"]) == (len(chosen), len(chosen))
    assert (told[STABLE]["requests"], told[STABLE]["errors"]) == (2 * len(USERS), 0)
    lake.now = replace(lake.now, candidate="", share=0)
    here.arms.follow()
    assert {user: here.for_session(["p-3"], user, TOP) for user in USERS} == before


def test_a_stable_model_that_cannot_be_loaded_leaves_the_last_one_in_service(lake: FakeLake, here: Recommender) -> None:
    last = lake.now.stable
    lake.models["bad"] = ArtefactError("ranker.txt: is not what was written")
    lake.now = Pointer("r2", "bad")
    here.arms.follow()
    answer = here.for_session(["p-3"], "u", TOP)
    assert (answer["model"], answer["release"], answer["fallback"]) == (last, "r2", "")
    assert here.arms.tallies()[STABLE]["model"] == last


def test_a_failed_model_is_tried_again_after_a_while_and_not_before(lake: FakeLake) -> None:
    now = [0.0]
    name, good = lake.now.stable, lake.models[lake.now.stable]
    lake.models[name] = OSError("the store is away")
    arms = Arms(lake, lambda: now[0])
    for _ in range(3):
        arms.follow()
    assert lake.asked.count(name) == 1
    assert arms.ask("u", lambda scorer: scorer.popular(1)).failed == "stable failed"
    lake.models[name], now[0] = good, 31.0
    arms.follow()
    assert arms.ask("u", lambda scorer: scorer.popular(1)).found


def test_a_lake_that_is_away_changes_nothing(lake: FakeLake, here: Recommender) -> None:
    before = here.arms.standing
    lake.away, lake.now = True, Pointer()
    with pytest.raises(OSError, match="no route"):
        here.arms.follow()
    assert here.arms.standing is before


def test_one_answer_takes_a_few_milliseconds(here: Recommender) -> None:
    begin = time.process_time()
    for _ in range(50):
        here.for_session(["p-3", "p-9", "p-12"], "u", 20)
    assert (time.process_time() - begin) / 50 < 0.02
