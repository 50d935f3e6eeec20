"""Write-audit-publish: the tasks that create a branch, seal it, audit it, merge it into main and drop it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow.sdk import Asset, BaseOperator, chain

from clickstream.operators.nessie import (
    CreateBranchOperator,
    DropBranchOperator,
    PinMainOperator,
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


def write_audit_publish(
    pin_main: PinMainOperator,
    work: Sequence[BaseOperator],
    *,
    writers: Mapping[str, str],
    day: str,
    audit: BaseOperator | None = None,
    asset: Asset | None = None,
    keep_branch: str = "",
    rerun_conf: Mapping[str, str] | None = None,
) -> Publication:
    """Adds create_branch, seal, merge, rerun, tag and drop_branch around the tasks `work`, which run one after the other.

    The order is create_branch, work, seal, audit, merge, tag, drop_branch; after a merge conflict, rerun repeats the DAG run.

    - `writers`: the writer in the table contracts of each task that writes to the branch, by task id
    - `day`: template of the day that is released
    - `audit`: the task that reads the sealed commit; without it the merge follows the seal
    - `asset`: announced by `tag`; without it there is no tag
    - `keep_branch`: template that is not empty if the branch of a failed run is kept
    - `rerun_conf`: parameters of the rerun that replace those of this run
    """
    create_branch = CreateBranchOperator(task_id="create_branch", pinned=pin_main.output)
    seal = SealBranchOperator(task_id="seal", pinned=pin_main.output, writers=writers)
    merge = PublishBranchOperator(task_id="merge", pinned=pin_main.output, sealed=seal.output, day=day)
    rerun = RerunOperator(task_id="rerun", merge_task_id="merge", run_conf=rerun_conf)
    drop_branch = DropBranchOperator(task_id="drop_branch", keep_on_failure=keep_branch)
    tag = None
    if asset is not None:
        tag = TagReleaseOperator(task_id="tag", release=merge.output, day=day, asset=asset)

    optional = [task for task in (audit, merge, tag) if task is not None]
    chain(create_branch.as_setup(), *work, seal, *optional, drop_branch)
    merge >> rerun
    # The teardown does not decide the state of the run: if it did, its success would hide a failed audit.
    # `./clickstream stack doctor` lists branches that were left over.
    drop_branch.as_teardown(setups=create_branch)
    return Publication(create_branch, merge, tag)
