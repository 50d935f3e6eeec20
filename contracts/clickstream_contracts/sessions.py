"""The pause that ends a session."""

from typing import Final

# Events of one session_id further apart than this are in two sessions. In SQL templates it is `{{ session_pause }}`.
PAUSE_MINUTES: Final = 30
