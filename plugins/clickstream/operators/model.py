"""Operators of the training: pin the data to train on, and announce a model that passed the gate."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from clickstream.operators.nessie import NessieOperator
from clickstream_contracts import names


class PinDataOperator(NessieOperator):
    """Returns the ref to read and its commit: of `tag` if it is not empty, else the commit of main that the run pinned."""

    template_fields: Sequence[str] = ("tag", "pinned")

    def __init__(self, *, tag: str, pinned: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
        self.pinned = pinned

    def execute(self, context: Context) -> dict[str, str]:
        if not self.tag:
            return {"ref": f"{names.MAIN}@{self.pinned}", "commit": self.pinned}
        ref = self.nessie.ref(self.tag)
        if ref is None:
            raise AirflowFailException(f"Nessie has no tag {self.tag}: `./clickstream refs tags` lists the existing ones")
        return {"ref": ref.name, "commit": ref.hash}


class GateOperator(BaseOperator):
    """Announces a model that passed the gate as an event of `asset`; fails with the reasons if the gate refused it.

    `registered` is the receipt of the registration, `release` the result of the merge that published it.
    """

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
            raise AirflowFailException(f"the gate refused model {facts['model'][:12]}; the served model stays: {reasons}")
        model = {
            "model_sha256": facts["model"],
            "commit": self.release["commit"],
            "uri": facts["uri"],
            "passed": facts["passed"],
            "tag": facts["tag"],
        }
        event = context["outlet_events"][self.asset]
        event.extra = model
        event.add_partitions(self.release["day"])
        self.log.info("The gate passed %s: %s", model, facts["numbers"])
        return model
