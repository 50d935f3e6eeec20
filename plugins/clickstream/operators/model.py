"""Operators of the training: pin the data to train on, and announce a model that passed the gate."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.hooks.nessie import NessieError, Ref
from clickstream.operators.nessie import NessieOperator
from clickstream_contracts import names


class PinDataOperator(NessieOperator):
    """Returns the ref to read, a name with its commit, and the commit: of `tag` if it is not empty, else main as the run pinned it."""

    template_fields: Sequence[str] = ("tag", "pinned")

    def __init__(self, *, tag: str, pinned: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
        self.pinned = pinned

    def execute(self, context: Context) -> dict[str, str]:
        ref = self._tag() if self.tag else Ref(names.MAIN, self.pinned)
        return {"ref": str(ref), "commit": ref.hash}

    def _tag(self) -> Ref:
        try:
            tag = self.nessie.find_tag(self.tag)
        except NessieError as error:
            raise AirflowFailException(str(error)) from None
        if tag is None:
            raise AirflowFailException(f"Nessie has no tag {self.tag}: `./clickstream refs tags` lists the existing ones")
        return tag


class GateOperator(BaseOperator):
    """Announces a model that passed the gate as an event of `asset`; is skipped with the reasons if the gate refused it.

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
            raise AirflowSkipException(f"the gate refused model {facts['model'][:12]}; the served model stays: {reasons}")
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
