"""Hash split of the visitors between the variants of a rollout."""

import zlib

from clickstream_contracts.serving_api import CANDIDATE, STABLE


def variant_of(visitor: str, share: int) -> str:
    """Returns CANDIDATE for `share` percent of the visitors (user ids, or session ids of anonymous ones), STABLE for the others.

    A request without any id gets STABLE. The bucket (CRC-32 of the id modulo 100) never changes, so a growing share only adds
    visitors to the candidate.
    """
    if visitor and zlib.crc32(visitor.encode()) % 100 < share:
        return CANDIDATE
    return STABLE
