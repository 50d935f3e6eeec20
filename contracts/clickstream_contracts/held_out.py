"""Held-out sessions of a model with the lists that it made of them in training: `held_out.json` in the model's folder.

The check of a rollout asks Ray Serve for the same lists: they must be equal.
"""

import json
from dataclasses import asdict, dataclass
from typing import Self

FILE = "held_out.json"
# A check with fewer sessions measures too little to decide alone; the training stores more.
LEAST_SESSIONS = 200
MOST_SESSIONS = 300


class HeldOutError(ValueError):
    """The bytes are not held-out sessions of the expected model."""


@dataclass(frozen=True)
class HeldOut:
    """`views[i]` are the products viewed in a session, the newest last, and `lists[i]` is the list of the model `model` (sha256)."""

    model: str
    views: list[list[str]]
    lists: list[list[str]]

    def to_json(self) -> str:
        """Returns the content of the file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, content: bytes, model: str) -> Self:
        """Read the file of a model. Raises HeldOutError."""
        try:
            held_out = cls(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise HeldOutError(f"{FILE} cannot be read: {error}") from None
        if held_out.model != model or len(held_out.views) != len(held_out.lists):
            raise HeldOutError(f"{FILE} is not of model {model[:12]}, or a list is missing")
        return held_out
