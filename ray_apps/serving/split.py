"""Hash split of the users between the variants of a rollout."""

import zlib

from clickstream_contracts.serving_api import CANDIDATE, STABLE


def variant_of(user_id: str, share: int) -> str:
    """Returns CANDIDATE for `share` percent of the users, STABLE for the others and for requests without a user id.

    The bucket (CRC-32 of the user id modulo 100) never changes, so a growing share only adds users to the candidate.
    """
    if user_id and zlib.crc32(user_id.encode()) % 100 < share:
        return CANDIDATE
    return STABLE
