"""The receipt: what an app writes as its last act. An Airflow task believes this and nothing else."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self


class ReceiptError(ValueError):
    """A receipt is missing something or says that the app failed."""


@dataclass(frozen=True)
class Receipt:
    """One app's account of one try.

    `inputs` maps a table or topic to the commit or offsets read, `outputs` a table to the metadata file that the app
    left, which a commit of Nessie names too, `rows` a table to its row count, `content` a table to the order-free hash
    of its rows, `facts` whatever the next task needs.
    """

    app: str
    run: str
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0

    def to_json(self) -> str:
        """The receipt as JSON, sealed with the sha256 of its own body."""
        body = asdict(self)
        return json.dumps({**body, "sha256": _seal(body)}, indent=1, sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a receipt back. Raises ReceiptError if it was cut short, changed, or is not a receipt."""
        try:
            body = json.loads(text)
            seal = body.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ReceiptError(f"not a receipt: {error}") from None
        if seal != _seal(body):
            raise ReceiptError("the receipt's seal does not match its body")
        try:
            return cls(**body)
        except TypeError as error:
            raise ReceiptError(f"not a receipt: {error}") from None


def _seal(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()
