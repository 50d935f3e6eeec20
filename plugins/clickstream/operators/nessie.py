"""Operators of a run's Nessie branch: pin main, create, seal, publish by one merge, tag the release, drop the branch."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from airflow.sdk import Asset, BaseOperator, Context, TaskInstanceState
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.hooks.nessie import NessieConflict, NessieHook, Ref
from clickstream.task_names import run_branch
from clickstream_contracts import names
from clickstream_contracts.schema import tables

# XCom keys: the head of the run's branch after a writing task, the message of a merge conflict, and why a run published nothing.
HEAD_KEY = "head"
CONFLICT_KEY = "conflict"
SKIPPED_KEY = "skipped"


def remember_head(context: Context, result: Any = None) -> None:
    """Pushes the head of the run's branch to XCom: the `post_execute` callback of every task that writes to the branch."""
    ti = context["ti"]
    ti.xcom_push(HEAD_KEY, NessieHook.from_settings().head(run_branch(ti)).hash)


class NessieOperator(BaseOperator):
    """Base of the operators that call Nessie."""

    @cached_property
    def nessie(self) -> NessieHook:
        return NessieHook.from_settings()


def checked_main(nessie: NessieHook, must_contain: str) -> Ref:
    """Returns main. Raises AirflowFailException if `must_contain` is a commit that main does not contain."""
    pinned = nessie.head(names.MAIN)
    if must_contain and not nessie.contains(pinned, must_contain):
        raise AirflowFailException(
            f"{pinned} does not contain commit {must_contain} of the release that triggered this run: was main reset?"
        )
    return pinned


class PinMainOperator(NessieOperator):
    """Returns the current commit of main, from which the run reads. A run that publishes a branch has `PinMainSensor` instead.

    Fails if `must_contain` names a commit that main does not contain.
    """

    template_fields: Sequence[str] = ("must_contain",)

    def __init__(self, *, must_contain: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.must_contain = must_contain

    def execute(self, context: Context) -> str:
        pinned = checked_main(self.nessie, self.must_contain)
        self.log.info("Pinned %s", pinned)
        return pinned.hash


class CreateBranchOperator(NessieOperator):
    """Creates the run's branch at the pinned commit; keeps a branch with its commits that was already created from there."""

    template_fields: Sequence[str] = ("pinned",)

    def __init__(self, *, pinned: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pinned = pinned

    def execute(self, context: Context) -> str:
        branch = self.nessie.create_branch(run_branch(context["ti"]), Ref(names.MAIN, self.pinned))
        self.log.info("The run writes to branch %s", branch)
        return branch.name


class SealBranchOperator(NessieOperator):
    """Returns the commit to audit, after checking that the branch has the commits of all writers and no foreign changes.

    `writers` maps the id of each writing task to the writer in the table contracts, e.g. `spark_apps.curate`. The branch must contain
    the head that each of these tasks pushed. Skips the rest of the run if the branch has no changes, and pushes the reason, with
    `unchanged`, to XCom: the grid shows a backfill of such days as green.
    """

    template_fields: Sequence[str] = ("pinned", "unchanged")

    def __init__(self, *, pinned: Any, writers: Mapping[str, str], unchanged: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pinned = pinned
        self.writers = dict(writers)
        self.unchanged = unchanged

    def execute(self, context: Context) -> dict[str, Any]:
        head = self.nessie.head(run_branch(context["ti"]))
        changed = self.nessie.diff(Ref(names.MAIN, self.pinned), head)
        problems = [*self._missing_commits(context, head), *self._foreign_changes(changed)]
        if problems:
            raise AirflowFailException(f"{head} cannot be published: {'; '.join(problems)}. Clear the run from pin_main on")
        if not changed:
            reason = f"nothing to publish: {head} has no changes since the pinned commit of main{self.unchanged and f'; {self.unchanged}'}"
            context["ti"].xcom_push(SKIPPED_KEY, reason)
            raise AirflowSkipException(reason)
        self.log.info("%s differs from the pinned commit of main in: %s", head, ", ".join(changed))
        return {"hash": head.hash, "tables": changed}

    def _missing_commits(self, context: Context, head: Ref) -> Iterable[str]:
        """Yields a problem for each writer whose commits are not on a branch that was created again after the writer ran."""
        commits = {commit.hash for commit in self.nessie.history(head, until=self.pinned)}
        for task_id in self.writers:
            if context["ti"].xcom_pull(task_ids=task_id, key=HEAD_KEY) not in commits:
                yield f"the commits of task {task_id} are missing, because it was not cleared with the others"

    def _foreign_changes(self, changed: Iterable[str]) -> Iterable[str]:
        for table in changed:
            writer = tables()[table].writer if table in tables() else "none (no contract)"
            if writer not in self.writers.values():
                yield f"table {table} changed, but its writer is {writer}"


class PublishBranchOperator(NessieOperator):
    """Merges exactly the sealed commit into main, as one commit.

    With `audit_task_id`, the receipt of that task must say that all audits of this commit passed. The state of the task alone is not
    enough: a task that was cleared or marked as successful may have audited another commit, or none.
    """

    template_fields: Sequence[str] = ("pinned", "sealed", "day")

    def __init__(self, *, pinned: Any, sealed: Any, day: str, audit_task_id: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pinned = pinned
        self.sealed = sealed
        self.day = day
        self.audit_task_id = audit_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        audited = Ref(run_branch(context["ti"]), self.sealed["hash"])
        commit = self.nessie.merge_commit(audited, self.pinned)
        if commit is None:
            commit = self._merge(context, audited)
        self.log.info("Published %s as commit %s: %s", audited, commit, ", ".join(self.sealed["tables"]))
        return {"day": self.day, "branch": audited.name, "audited": audited.hash, "commit": commit, "tables": self.sealed["tables"]}

    def _merge(self, context: Context, audited: Ref) -> str:
        head = self.nessie.head(audited.name)
        if head != audited:
            raise AirflowFailException(f"{head} is not the audited commit {audited.hash}: clear the run from pin_main on")
        if self.audit_task_id:
            self._check_audits(context, audited)
        try:
            return self.nessie.merge(audited, self.pinned, f"Release of {self.day} by {audited.name}")
        except NessieConflict as conflict:
            context["ti"].xcom_push(CONFLICT_KEY, str(conflict))
            raise AirflowFailException(str(conflict)) from None

    def _check_audits(self, context: Context, audited: Ref) -> None:
        receipt = context["ti"].xcom_pull(task_ids=self.audit_task_id, key="return_value") or {}
        ref = receipt.get("inputs", {}).get("ref")
        failed = [failure["name"] for failure in receipt.get("facts", {}).get("failures", [])]
        problem = ""
        if ref != str(audited):
            problem = f"task {self.audit_task_id} audited {ref or 'nothing'}"
        elif failed or receipt.get("error"):
            problem = f"these audits failed: {', '.join(failed) or receipt['error']}"
        if problem:
            raise AirflowFailException(f"{audited} is not merged, because {problem}: clear the run from {self.audit_task_id} on")


class TagReleaseOperator(NessieOperator):
    """Tags the commit of a release on main and announces the release as an event of `asset` with the partition key `day`.

    `release` becomes the extra of the event, together with the commit and the tag. The commit is `release["commit"]` or,
    with `commit_message`, the one of that message since the commit `pinned`. The tag is `tag` or `names.release_tag`.
    If `not_announced` is not empty, the event has no partition key and triggers no DAG.
    """

    template_fields: Sequence[str] = ("release", "day", "tag", "commit_message", "pinned", "not_announced")

    def __init__(
        self,
        *,
        release: Any,
        day: str,
        asset: Asset,
        tag: str = "",
        commit_message: str = "",
        pinned: Any = "",
        not_announced: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.release = release
        self.day = day
        self.asset = asset
        self.tag = tag
        self.commit_message = commit_message
        self.pinned = pinned
        self.not_announced = not_announced

    def execute(self, context: Context) -> str:
        commit = self._find_commit() if self.commit_message else self.release["commit"]
        name = self.tag or names.release_tag(context["ti"].dag_id, self.day, commit)
        tag = self.nessie.tag(name, Ref(names.MAIN, commit)).name
        event = context["outlet_events"][self.asset]
        event.extra = {**self.release, "commit": commit, "tag": tag}
        # A DAG with PartitionedAssetTimetable is triggered only by events that have a partition key; a manual run has none.
        if self.not_announced:
            self.log.info("The release triggers no DAG: the days from %s on follow", self.not_announced)
        else:
            event.add_partitions(self.day)
        return tag

    def _find_commit(self) -> str:
        """Returns the commit of main by its message: a Ray job commits to main itself, and main gets other commits at the same time."""
        for commit in self.nessie.history(self.nessie.head(names.MAIN), until=self.pinned):
            if commit.message == self.commit_message:
                return commit.hash
        raise AirflowFailException(
            f"main has no commit with the message {self.commit_message!r} since {self.pinned}: clear the run from pin_main on"
        )


class DropBranchOperator(NessieOperator):
    """Deletes the run's branch, unless a task of the run failed and `keep_on_failure` is not empty."""

    template_fields: Sequence[str] = ("keep_on_failure",)

    def __init__(self, *, keep_on_failure: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_on_failure = keep_on_failure

    def execute(self, context: Context) -> str:
        branch = self.nessie.ref(run_branch(context["ti"]))
        if branch is None:
            return "already deleted"
        if self.keep_on_failure and self._has_failed_task(context):
            self.log.warning("Kept branch %s for inspection: delete it or clear the run afterwards", branch)
            return f"kept {branch}"
        self.nessie.delete_branch(branch)
        return f"deleted {branch}"

    def _has_failed_task(self, context: Context) -> bool:
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
        return TaskInstanceState.FAILED in states.values()
