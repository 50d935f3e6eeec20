"""Who is asked for whom: a user is always on the same side of a split, and a growing share only adds users."""

import zlib

STABLE, CANDIDATE, NONE = "stable", "candidate", "none"


def arm(user_id: str, share: int) -> str:
    """CANDIDATE for `share` percent of the users, STABLE for the others; whoever is not known is never an experiment."""
    return CANDIDATE if user_id and zlib.crc32(user_id.encode()) % 100 < share else STABLE
