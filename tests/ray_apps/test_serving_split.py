"""The hash split gives the candidate its share of the users, and a growing share only adds users."""

import pytest

from clickstream_contracts.serving_api import CANDIDATE, STABLE
from ray_apps.serving.split import variant_of

USERS = [f"u-{number}" for number in range(20_000)]


def candidate_users(share: int) -> set[str]:
    return {user for user in USERS if variant_of(user, share) == CANDIDATE}


@pytest.mark.parametrize("share", [1, 10, 50])
def test_the_candidate_gets_its_share_of_the_users(share: int) -> None:
    assert len(candidate_users(share)) / len(USERS) == pytest.approx(share / 100, abs=0.01)


def test_a_growing_share_only_adds_users_from_nobody_to_everybody() -> None:
    assert candidate_users(0) == set()
    assert candidate_users(1) < candidate_users(10) < candidate_users(50) < candidate_users(100) == set(USERS)


def test_a_request_without_a_user_gets_the_stable_variant() -> None:
    assert variant_of("", 100) == STABLE
