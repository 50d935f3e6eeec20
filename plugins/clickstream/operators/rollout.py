"""The end of a rollout: the one commit that finished it gets the release's name as its tag."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, Context
from airflow.sdk.exceptions import AirflowFailException

from clickstream.hooks.nessie import Ref
from clickstream.operators.nessie import NessieOperator
from clickstream_contracts import names


class TagRollout(NessieOperator):
    """Tags the commit that `finished` reports, and announces the release as an event of `asset`."""

    template_fields: Sequence[str] = ("finished", "pinned", "day")

    def __init__(self, *, finished: Any, pinned: Any, day: str, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.finished = finished
        self.pinned = pinned
        self.day = day
        self.asset = asset

    def execute(self, context: Context) -> str:
        facts = self.finished["facts"]
        commit = self._commit(facts["message"])
        tag = self.nessie.tag(facts["release"], Ref(names.MAIN, commit)).name
        event = context["outlet_events"][self.asset]
        event.extra = {"release": tag, "commit": commit} | {name: facts[name] for name in ("stable", "data_tag", "rule_version")}
        event.add_partitions(self.day)
        return tag

    def _commit(self, message: str) -> str:
        """Main moves on all the time: its history since the run began tells the commit by its message."""
        found = [c.hash for c in self.nessie.history(self.nessie.head(names.MAIN), until=self.pinned) if c.message == message]
        if not found:
            raise AirflowFailException(f"main holds no commit {message!r} since {self.pinned}: clear the run from pin_main on")
        return found[0]
