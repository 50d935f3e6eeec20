"""The life of a run's branch: pinned, made, sealed, published in one merge, tagged, dropped."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, BaseOperator, Context, TaskInstanceState, TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.hooks.nessie import NessieConflict, NessieHook, Ref
from clickstream_contracts import names
from clickstream_contracts.schema import tables


class NessieOperator(BaseOperator):
    """What the operators here share: the hook and the run's branch."""

    @cached_property
    def nessie(self) -> NessieHook:
        return NessieHook.from_settings()

    def branch(self, context: Context) -> str:
        """The branch of this run."""
        return names.branch(context["ti"].dag_id, context["ti"].run_id)


class PinMain(NessieOperator):
    """Returns the commit of main that the whole run starts from, after checking that it holds the commit `after`, if one is named."""

    template_fields: Sequence[str] = ("after",)

    def __init__(self, *, after: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after = after

    def execute(self, context: Context) -> str:
        pinned = self.nessie.head(names.MAIN)
        if self.after and not self.nessie.contains(pinned, self.after):
            raise AirflowFailException(f"{pinned} does not hold {self.after}, which this run was started for: was main moved back?")
        self.log.info("This run starts from %s", pinned)
        return pinned.hash


class CreateBranch(NessieOperator):
    """Makes the run's branch at the pinned commit; a branch that already grew from there is kept, with its work."""

    template_fields: Sequence[str] = ("pinned",)

    def __init__(self, *, pinned: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pinned = pinned

    def execute(self, context: Context) -> str:
        branch = self.nessie.create_branch(self.branch(context), Ref(names.MAIN, self.pinned))
        self.log.info("The run writes to %s", branch)
        return branch.name


HEAD = "head"
CONFLICT = "conflict"


def remember_head(context: Context, result: Any = None) -> None:
    """Push where the run's branch stands now; `post_execute` of every task that writes to it."""
    ti = context["ti"]
    ti.xcom_push(HEAD, NessieHook.from_settings().head(names.branch(ti.dag_id, ti.run_id)).hash)


class SealBranch(NessieOperator):
    """Returns the commit to audit, after checking that the branch holds what each of `writers` left and no other's work.

    A night without changes is skipped from here on: what it would audit was audited when it was published.
    """

    template_fields: Sequence[str] = ("pinned",)

    def __init__(self, *, pinned: Any, writers: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pinned = pinned
        self.writers = writers

    def execute(self, context: Context) -> dict[str, Any]:
        head = self.nessie.head(self.branch(context))
        commits = {commit.hash for commit in self.nessie.history(head, until=self.pinned)}
        changed = self.nessie.diff(Ref(names.MAIN, self.pinned), head)
        # A branch made anew since a writer ran would publish the others' half of the work.
        lost = [task for task in self.writers if context["ti"].xcom_pull(task_ids=task, key=HEAD) not in commits]
        faults = [f"it lacks the work of {task}, which was not cleared along" for task in lost] + list(self._foreign(changed))
        if faults:
            raise AirflowFailException(f"{head} cannot be published: {'; '.join(faults)}. Clear the run from create_branch on")
        if not changed:
            raise AirflowSkipException(f"nothing arrived since the last release: {head} equals the pinned main, nothing to publish")
        self.log.info("%s differs from the pinned main in: %s", head, ", ".join(changed))
        return {"hash": head.hash, "tables": changed}

    def _foreign(self, changed: Iterable[str]) -> Iterable[str]:
        for table in changed:
            writer = tables()[table].writer if table in tables() else "nobody"
            if writer.partition(".")[2] not in self.writers:
                yield f"{table} changed on it, whose writer is {writer}"


class PublishBranch(NessieOperator):
    """Merges exactly the audited commit into main, in one commit."""

    template_fields: Sequence[str] = ("pinned", "sealed", "day")

    def __init__(self, *, pinned: Any, sealed: Any, day: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pinned = pinned
        self.sealed = sealed
        self.day = day

    def execute(self, context: Context) -> dict[str, Any]:
        audited = Ref(self.branch(context), self.sealed["hash"])
        commit = self.nessie.published(audited, self.pinned) or self._publish(context, audited)
        self.log.info("Published %s as %s: %s", audited, commit, ", ".join(self.sealed["tables"]))
        return {"day": self.day, "branch": audited.name, "audited": audited.hash, "commit": commit, "tables": self.sealed["tables"]}

    def _publish(self, context: Context, audited: Ref) -> str:
        head = self.nessie.head(audited.name)
        if head != audited:
            raise AirflowFailException(f"{head} is not what was audited ({audited.hash}): clear the run from create_branch on")
        try:
            return self.nessie.merge(audited, self.pinned, f"Release of {self.day} by {audited.name}")
        except NessieConflict as conflict:
            context["ti"].xcom_push(CONFLICT, str(conflict))
            raise AirflowFailException(str(conflict)) from None


class RunAgain(TriggerDagRunOperator):
    """Repeats a run whose merge, the task before, met a conflict, with its parameters and those `asked`: anew from main, at most twice."""

    template_fields: Sequence[str] = ("trigger_dag_id", "trigger_run_id", "asked")

    def __init__(self, *, asked: Mapping[str, str] = MappingProxyType({}), **kwargs: Any) -> None:
        target = {"trigger_dag_id": "{{ dag.dag_id }}", "trigger_run_id": "{{ names.rerun_id(run_id) }}", "logical_date": None}
        super().__init__(trigger_rule=TriggerRule.ONE_FAILED, skip_when_already_exists=True, **target, **kwargs)
        self.asked = dict(asked)

    def execute(self, context: Context) -> None:
        [merge] = self.upstream_task_ids
        conflict = context["ti"].xcom_pull(task_ids=merge, key=CONFLICT)
        if not conflict:
            raise AirflowSkipException(f"{merge} did not fail by a conflict: a repetition would not cure it")
        if not self.trigger_run_id:
            raise AirflowFailException(f"{conflict}; twice repeated, so somebody else keeps writing: find who")
        self.log.warning("%s. Starting %s", conflict, self.trigger_run_id)
        self.conf = {**context["params"], **self.asked}
        super().execute(context)


class TagRelease(NessieOperator):
    """Tags the merge commit, so that this release can be read for ever, and announces it as an event of `asset`."""

    template_fields: Sequence[str] = ("release",)

    def __init__(self, *, release: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.release = release
        self.asset = asset

    def execute(self, context: Context) -> str:
        commit, day = self.release["commit"], self.release["day"]
        tag = self.nessie.tag(names.release_tag(context["ti"].dag_id, day, commit), Ref(names.MAIN, commit)).name
        event = context["outlet_events"][self.asset]
        event.extra = {**self.release, "tag": tag}
        # Whoever waits for days is started by events with a day only; a run by hand has none of its own.
        event.add_partitions(day)
        return tag


class DropBranch(NessieOperator):
    """Deletes the run's branch, unless its audit failed and the run was asked to keep it."""

    template_fields: Sequence[str] = ("keep_on_failure",)

    def __init__(self, *, keep_on_failure: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_on_failure = keep_on_failure

    def execute(self, context: Context) -> str:
        found = self.nessie.ref(self.branch(context))
        if found is None:
            return "gone already"
        if self.keep_on_failure and self._failed(context):
            self.log.warning("Kept %s, as asked: read it, then delete it or clear the run", found)
            return f"kept {found}"
        self.nessie.delete_branch(found)
        return f"deleted {found}"

    def _failed(self, context: Context) -> bool:
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
        return TaskInstanceState.FAILED in states.values()
