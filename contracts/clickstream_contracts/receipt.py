"""The receipt: a JSON document that an app writes at its end. An Airflow task succeeds only with a valid receipt."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self


class ReceiptError(ValueError):
    """The text is no complete, unchanged receipt."""


@dataclass(frozen=True)
class Receipt:
    """What one try of an app read and wrote.

    `inputs` maps a table or topic to the commit or offsets that were read; `outputs` maps a table to its new Iceberg
    metadata file, which the Nessie commit names too; `rows` maps a table to its number of rows; `content` maps a table to a
    hash of its rows that does not depend on their order; `facts` holds values for the next tasks; `error` is '' on success.
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
        """Returns the receipt as JSON with the sha256 of its content, which shows a cut or changed file."""
        body = asdict(self)
        return json.dumps({**body, "sha256": _checksum(body)}, indent=1, sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the receipt of a JSON text. Raises ReceiptError if the text is cut, changed or no receipt."""
        try:
            body = json.loads(text)
            checksum = body.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ReceiptError(f"not a receipt: {error}") from None
        if checksum != _checksum(body):
            raise ReceiptError("not a receipt: its sha256 does not match its content: the file was cut or changed")
        try:
            return cls(**body)
        except TypeError as error:
            raise ReceiptError(f"not a receipt: {error}") from None


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()
