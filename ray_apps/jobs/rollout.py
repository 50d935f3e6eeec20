"""Moves the pointer of serving: one step is one row of `serving.rollout` and one commit on main, and a receipt.

`start` puts a candidate beside the stable model, `step` widens its share, `finish` makes it the stable one, `back` takes it away,
`rollback` serves an earlier release again. A model is read whole, every byte checked, before the first user may meet it.
"""

import argparse
import sys
from dataclasses import dataclass, replace

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from ray_apps.common import cli, model_registry
from ray_apps.common.model_registry import ROLLOUT, Row
from ray_apps.common.storage import open_place
from ray_apps.recommender import artefacts


class RolloutError(ValueError):
    """A step does not follow from where the rollout stands; the text says why."""


@dataclass(frozen=True)
class Pointer:
    """Which model serves whom, and what stands behind it."""

    release: str = ""
    stable: str = ""
    candidate: str = ""
    share: int = 0
    data_tag: str = ""
    rule_version: str = ""


def main(argv: list[str]) -> int:
    """Take one step. Returns the exit code."""
    found = cli.parser("rollout", __doc__)
    found.add_argument("action", choices=("start", "step", "finish", "back", "rollback"))
    found.add_argument("--release", default="", help="name of the release to start, or to roll back to")
    found.add_argument("--candidate", default="", help="sha256 of the model that starts")
    found.add_argument("--rule-version", default="", help="version of the fraud rules in force")
    found.add_argument("--share", type=cli.whole_number, default=10, help="percent of users for the candidate (default: %(default)s)")
    found.add_argument("--reason", default="", help="why, in words and numbers")
    return cli.run("rollout", found, work, argv)


def work(settings: Settings, args: argparse.Namespace) -> Receipt:
    """One step, unless this run took it already."""
    lake = model_registry.catalog(settings, args.ref)
    steps = model_registry.steps(lake)
    pointer = pointer_of(steps)
    after = moved(pointer, args, steps, lake)
    if args.action == "back" and pointer.release != args.release:
        return _receipt(settings, args, pointer, after, taken=True)
    taken = bool(steps) and pointer == after and (steps[-1]["action"], steps[-1]["run"]) == (args.action, args.run)
    if not taken:
        for sha256 in {after.stable, after.candidate} - {""}:
            artefacts.read(*open_place(model_registry.model(lake, sha256)["uri"], settings), sha256)
        _commit(settings, args, after)
    return _receipt(settings, args, pointer, after, taken)


def _receipt(settings: Settings, args: argparse.Namespace, pointer: Pointer, after: Pointer, taken: bool) -> Receipt:
    table = model_registry.catalog(settings, args.ref).load_table(ROLLOUT)
    return Receipt(
        app="rollout",
        run=args.run,
        inputs={ROLLOUT: pointer.release},
        outputs={ROLLOUT: table.metadata_location},
        rows={ROLLOUT: 0 if taken else 1},
        facts={**after.__dict__, "action": args.action, "message": message(args.action, after)},
    )


def pointer_of(steps: list[Row]) -> Pointer:
    """Where the newest step leaves the pointer."""
    return Pointer(**{name: steps[-1][name] or type(default)() for name, default in Pointer().__dict__.items()}) if steps else Pointer()


def moved(pointer: Pointer, args: argparse.Namespace, steps: list[Row], lake: RestCatalog) -> Pointer:
    """Where the pointer stands after the step. Raises RolloutError if the step makes no sense from here."""
    if args.action == "start":
        return _started(pointer, args, lake)
    if args.action == "rollback":
        return _released(args.release, steps)
    own = pointer.release == args.release
    if args.action == "back":
        return replace(_released(_before(steps, args.release), steps), candidate="", share=0) if own else pointer
    if not own or not (pointer.candidate or args.action == "finish"):
        raise RolloutError(f"{args.release} is not being rolled out: the pointer stands at {pointer.release or 'no release'}")
    if args.action == "step":
        return replace(pointer, share=_share(args.share))
    return replace(pointer, stable=pointer.candidate or pointer.stable, candidate="", share=0)


def _started(pointer: Pointer, args: argparse.Namespace, lake: RestCatalog) -> Pointer:
    if not args.release or not args.candidate:
        raise RolloutError("a start needs --release and --candidate")
    if pointer.candidate and pointer.release != args.release:
        raise RolloutError(f"{pointer.release} is being rolled out: finish it or take it back first")
    model = model_registry.model(lake, args.candidate)
    if not model["passed"]:
        raise RolloutError(f"the gate refused model {args.candidate[:12]}: {model['verdict'][:300]}")
    return Pointer(args.release, pointer.stable, args.candidate, _share(args.share), model["data_tag"], args.rule_version)


def _released(release: str, steps: list[Row]) -> Pointer:
    """The pointer as a release left it when it was finished or restored."""
    if not release:
        return Pointer()
    found = [step for step in steps if step["release"] == release and step["action"] in ("finish", "rollback")]
    if not found:
        known = sorted({step["release"] for step in steps if step["action"] == "finish"})
        raise RolloutError(f"{release!r} was never released: known are {', '.join(known) or 'none'}")
    return pointer_of(found)


def _before(steps: list[Row], release: str) -> str:
    """The release that served when this one was started; '' if none did."""
    others = [step for step in steps if step["action"] in ("finish", "rollback", "back") and step["release"] != release]
    return others[-1]["release"] if others else ""


def _share(share: int) -> int:
    if not 1 <= share <= 100:
        raise RolloutError(f"a share of {share} % is none: use 1 to 100")
    return share


def message(action: str, pointer: Pointer) -> str:
    """The commit's message, by which main's history tells a release's commit."""
    return f"Rollout: {action} of {pointer.release or 'no release'}"


def _commit(settings: Settings, args: argparse.Namespace, after: Pointer) -> None:
    told = {"header.Nessie-Commit-Message": message(args.action, after), "header.Nessie-Commit-Authors": args.run}
    table = model_registry.catalog(settings, args.ref, **told).load_table(ROLLOUT)
    row = {**after.__dict__, "at": model_registry.now(), "action": args.action, "reason": args.reason, "run": args.run}
    table.append(pa.Table.from_pylist([row], table.schema().as_arrow()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
