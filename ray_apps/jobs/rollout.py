"""Changes the rollout pointer: one step is one row of `serving.rollout`, one commit on main, and a receipt.

`start` gives a candidate a share of the users, `step` changes the share, `finish` makes the candidate the stable model,
`back` removes the candidate, and `rollback` serves an earlier release again. Before a step, each model of the new pointer
is read and all its checksums are verified. A stable model that the step does not change may be of another artefact format:
the step that replaces it must stay possible after an upgrade.
"""

import argparse
import logging
import sys
from dataclasses import asdict, replace

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from ray_apps.common import cli, model_registry
from ray_apps.common.model_registry import ROLLOUT, Row
from ray_apps.common.pointer import Pointer
from ray_apps.common.storage import open_storage
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import IncompatibleArtefact

log = logging.getLogger("ray_apps.jobs")


class RolloutError(ValueError):
    """A step is not possible from the current pointer; the message says why."""


def main(argv: list[str]) -> int:
    """Take one step. Returns the exit code."""
    parser = cli.job_parser("rollout", __doc__)
    parser.add_argument("action", choices=("start", "step", "finish", "back", "rollback"))
    parser.add_argument("--release", default="", help="name of the release to start, or to roll back to")
    parser.add_argument("--candidate", default="", help="sha256 of the model to start")
    parser.add_argument("--rule-version", default="", help="version of the fraud rules in force")
    parser.add_argument("--share", type=cli.whole_number, default=10, help="percent of users for the candidate (default: %(default)s)")
    parser.add_argument("--reason", default="", help="why, as text")
    return cli.run_job("rollout", parser, work, argv)


def work(settings: Settings, args: argparse.Namespace) -> Receipt:
    """Take one step, unless this run took it already. Returns the receipt."""
    catalog = model_registry.open_catalog(settings, args.ref)
    steps = model_registry.rollout_steps(catalog)
    pointer = Pointer.newest(steps)
    new_pointer = next_pointer(pointer, args, steps, catalog)
    if args.action == "back" and pointer.release != args.release:
        return _receipt(settings, args, pointer, new_pointer, rows_written=0)
    if _is_done(args, steps, pointer, new_pointer):
        return _receipt(settings, args, pointer, new_pointer, rows_written=0)
    for sha256 in {new_pointer.stable, new_pointer.candidate} - {""}:
        _verify(settings, model_registry.model_row(catalog, sha256)["uri"], sha256, pointer)
    _commit(settings, args, new_pointer)
    return _receipt(settings, args, pointer, new_pointer, rows_written=1)


def _verify(settings: Settings, uri: str, sha256: str, pointer: Pointer) -> None:
    """Read a model of the new pointer. Raises ArtefactError if it cannot serve, unless it is the stable model already."""
    try:
        artefacts.read(*open_storage(uri, settings), sha256)
    except IncompatibleArtefact as error:
        if sha256 != pointer.stable:
            raise
        log.warning("stable model %s stays although new replicas cannot load it: %s", sha256[:12], error)


def _is_done(args: argparse.Namespace, steps: list[Row], pointer: Pointer, new_pointer: Pointer) -> bool:
    """Whether the newest row is this very step of this run: a retry writes no second row."""
    if not steps or pointer != new_pointer:
        return False
    return (steps[-1]["action"], steps[-1]["run"]) == (args.action, args.run)


def _receipt(settings: Settings, args: argparse.Namespace, pointer: Pointer, new_pointer: Pointer, rows_written: int) -> Receipt:
    table = model_registry.open_catalog(settings, args.ref).load_table(ROLLOUT)
    return Receipt(
        app="rollout",
        run=args.run,
        inputs={ROLLOUT: pointer.release},
        outputs={ROLLOUT: table.metadata_location},
        rows={ROLLOUT: rows_written},
        facts={**asdict(new_pointer), "action": args.action, "message": commit_message(args.action, new_pointer)},
    )


def next_pointer(pointer: Pointer, args: argparse.Namespace, steps: list[Row], catalog: RestCatalog) -> Pointer:
    """The pointer after the step. Raises RolloutError if the step is not possible from the current one."""
    if args.action == "start":
        return _started(pointer, args, catalog)
    if args.action == "rollback":
        return _released(args.release, steps)
    is_current = pointer.release == args.release
    if args.action == "back":
        if not is_current:
            return pointer
        return replace(_released(_release_before(steps, args.release), steps), candidate="", share=0)
    if not is_current or not (pointer.candidate or args.action == "finish"):
        raise RolloutError(f"{args.release} is not being rolled out: the current release is {pointer.release or 'none'}")
    if args.action == "step":
        return replace(pointer, share=_valid_share(args.share))
    return replace(pointer, stable=pointer.candidate or pointer.stable, candidate="", share=0)


def _started(pointer: Pointer, args: argparse.Namespace, catalog: RestCatalog) -> Pointer:
    if not args.release or not args.candidate:
        raise RolloutError("the action start needs --release and --candidate")
    if pointer.candidate and pointer.release != args.release:
        raise RolloutError(f"{pointer.release} is being rolled out: finish it or remove its candidate (action back) first")
    model = model_registry.model_row(catalog, args.candidate)
    if not model["passed"]:
        raise RolloutError(f"the gate refused model {args.candidate[:12]}: {model['verdict'][:300]}")
    return Pointer(args.release, pointer.stable, args.candidate, _valid_share(args.share), model["data_tag"], args.rule_version)


def _released(release: str, steps: list[Row]) -> Pointer:
    """The pointer after the release was finished or rolled back to; an empty one for release ''. Raises RolloutError."""
    if not release:
        return Pointer()
    release_steps = [step for step in steps if step["release"] == release and step["action"] in ("finish", "rollback")]
    if not release_steps:
        finished = sorted({step["release"] for step in steps if step["action"] == "finish"})
        raise RolloutError(f"{release!r} was never released; releases are {', '.join(finished) or 'none'}")
    return Pointer.newest(release_steps)


def _release_before(steps: list[Row], release: str) -> str:
    """The release that served when this one was started; '' if there was none."""
    others = [step for step in steps if step["action"] in ("finish", "rollback", "back") and step["release"] != release]
    if not others:
        return ""
    return str(others[-1]["release"])


def _valid_share(share: int) -> int:
    if not 1 <= share <= 100:
        raise RolloutError(f"--share {share} is out of range: use 1 to 100 percent")
    return share


def commit_message(action: str, pointer: Pointer) -> str:
    """The message of the commit on main; the commit of a release is searched by it."""
    return f"Rollout: {action} of {pointer.release or 'no release'}"


def _commit(settings: Settings, args: argparse.Namespace, pointer: Pointer) -> None:
    headers = {
        "header.Nessie-Commit-Message": commit_message(args.action, pointer),
        "header.Nessie-Commit-Authors": args.run,
    }
    table = model_registry.open_catalog(settings, args.ref, **headers).load_table(ROLLOUT)
    row = {**asdict(pointer), "at": model_registry.now(), "action": args.action, "reason": args.reason, "run": args.run}
    table.append(pa.Table.from_pylist([row], table.schema().as_arrow()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
