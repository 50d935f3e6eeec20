"""Write-audit-publish: the tasks that create a branch, seal it, audit it, merge it into main and drop it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow.sdk import Asset, BaseOperator, TaskGroup, TriggerRule, chain

from clickstream.notifications.notifier import AuditWarningNotifier
from clickstream.operators.audit import AuditResultOperator, FailedAuditsOperator
from clickstream.operators.nessie import (
    CreateBranchOperator,
    DropBranchOperator,
    PublishBranchOperator,
    SealBranchOperator,
    TagReleaseOperator,
)
from clickstream.operators.rerun import RerunOperator


@dataclass(frozen=True)
class Publication:
    """Tasks of a publication that other tasks depend on; `tag` is None if the release gets none."""

    create_branch: BaseOperator
    merge: BaseOperator
    tag: BaseOperator | None


def publication_group() -> TaskGroup:
    """Returns the task group of a publication, from create_branch to drop_branch. It does not change the ids of its tasks."""
    return TaskGroup("publication", prefix_group_id=False, tooltip="Write to a branch, audit it, publish it by one merge")


def write_audit_publish(
    pin_main: BaseOperator,
    work: Sequence[BaseOperator],
    *,
    writers: Mapping[str, str],
    day: str,
    audit: BaseOperator | None = None,
    asset: Asset | None = None,
    keep_branch: str = "",
    not_announced: str = "",
    unchanged: str = "",
    rerun_conf: Mapping[str, str] | None = None,
) -> Publication:
    """Adds create_branch, seal, merge, rerun, tag and drop_branch around the tasks `work`, which run one after the other.

    The order is create_branch, work, seal, audit, merge, tag, drop_branch; after a merge conflict, rerun repeats the DAG run. Call it
    inside `publication_group()`, where `work` and `audit` are created too.

    - `writers`: the writer in the table contracts of each task that writes to the branch, by task id
    - `day`: template of the day that is released
    - `audit`: the task that reads the sealed commit; without it the merge follows the seal
    - `asset`: announced by `tag`; without it there is no tag
    - `not_announced`: template that is not empty if the release triggers no DAG, because another run follows
    - `keep_branch`: template that is not empty if the branch of a failed run is kept
    - `unchanged`: what a run says that has nothing to publish
    - `rerun_conf`: parameters of the rerun that replace those of this run
    """
    create_branch = CreateBranchOperator(task_id="create_branch", pinned=pin_main.output)
    seal = SealBranchOperator(task_id="seal", pinned=pin_main.output, writers=writers, unchanged=unchanged)
    audit_task_id = audit.task_id if audit is not None else ""
    merge = PublishBranchOperator(task_id="merge", pinned=pin_main.output, sealed=seal.output, day=day, audit_task_id=audit_task_id)
    rerun = RerunOperator(task_id="rerun", merge_task_id="merge", run_conf=rerun_conf)
    drop_branch = DropBranchOperator(task_id="drop_branch", keep_on_failure=keep_branch)
    tag = None
    if asset is not None:
        tag = TagReleaseOperator(task_id="tag", release=merge.output, day=day, asset=asset, not_announced=not_announced)
    if audit is not None:
        _add_audit_results(audit)

    optional = [task for task in (audit, merge, tag) if task is not None]
    chain(create_branch.as_setup(), *work, seal, *optional, drop_branch)
    merge >> rerun
    # The teardown does not decide the state of the run: if it did, its success would hide a failed audit.
    # `./clickstream stack doctor` lists branches that were left over.
    drop_branch.as_teardown(setups=create_branch)
    return Publication(create_branch, merge, tag)


def _add_audit_results(audit: BaseOperator) -> None:
    """Adds a mapped task for each audit that did not pass. `merge` depends on `audit` alone, so clearing a result merges nothing."""
    failed_audits = FailedAuditsOperator(task_id="failed_audits", audit_task_id=audit.task_id, trigger_rule=TriggerRule.ONE_DONE)
    results = AuditResultOperator.partial(
        task_id="audit_result",
        retries=0,
        map_index_template="{{ task.audit['name'] }}",
        # An audit that fails is notified like any failed task; one that only warns ends as a success.
        on_success_callback=AuditWarningNotifier(),
    )
    results.expand(audit=failed_audits.output)
    audit >> failed_audits
