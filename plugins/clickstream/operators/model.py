"""The ends of a training: the data that it reads, and the door to the rollout."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from clickstream.operators.nessie import NessieOperator
from clickstream_contracts import names


class PinData(NessieOperator):
    """Returns the ref to read and the commit behind it: a tag if one is named, else main as the run pinned it."""

    template_fields: Sequence[str] = ("tag", "pinned")

    def __init__(self, *, tag: str, pinned: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
        self.pinned = pinned

    def execute(self, context: Context) -> dict[str, str]:
        if not self.tag:
            return {"ref": f"{names.MAIN}@{self.pinned}", "commit": self.pinned}
        found = self.nessie.ref(self.tag)
        if found is None:
            raise AirflowFailException(f"Nessie has no tag {self.tag}: `python -m tools.lake.refs tags` lists those that are there")
        return {"ref": found.name, "commit": found.hash}


class OpenGate(BaseOperator):
    """Announces a registered model that passed; a refused one ends here, with the reasons."""

    template_fields: Sequence[str] = ("registered", "release")

    def __init__(self, *, registered: Any, release: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.registered = registered
        self.release = release
        self.asset = asset

    def execute(self, context: Context) -> dict[str, Any]:
        facts = self.registered["facts"]
        if not facts["passed"]:
            reasons = "; ".join(facts["reasons"])
            raise AirflowFailException(f"model {facts['model'][:12]} is refused, what serves stays: {reasons}")
        found = {"model_sha256": facts["model"], "commit": self.release["commit"]} | {
            name: facts[name] for name in ("uri", "passed", "tag")
        }
        event = context["outlet_events"][self.asset]
        event.extra = found
        event.add_partitions(self.release["day"])
        self.log.info("The gate is open for %s: %s", found, facts["numbers"])
        return found
