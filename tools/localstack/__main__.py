"""The verbs of the stack: `python -m tools.localstack up | down | status | logs | env`."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from clickstream_contracts.settings import Settings, SettingsError
from tools.common.command import run_app
from tools.localstack import checkup, daemon, doctor, layout, parts, ports, ray, s3, start, status, stop
from tools.localstack.progress import say

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="The local stack, as processes on 127.0.0.1."
)
Only = Annotated[str, typer.Option(help="Comma-separated parts or components, e.g. s3,nessie,kafka; with what they need.")]


@app.command()
def up(only: Only = "") -> None:
    """Start what is not running and wait until it is healthy."""
    begin = time.monotonic()
    stack = layout.Stack(layout.resolve(Settings.from_env()))
    layout.save(stack)
    everything = parts.nodes(stack)
    wanted = parts.select(everything, only)
    if not daemon.states(stack):
        stop.sweep(stack)
    ready = start.bring_up(stack, everything, wanted)
    running = [one for one in ready if one.is_part]
    fresh = sum(not one.was_running for one in running)
    say("✓", "stack", f"{time.monotonic() - begin:6.1f} s  {len(running)} parts up, {fresh} of them started now")


@app.command()
def down() -> None:
    """Stop everything; the state stays."""
    stack = known()
    killed = stop.take_down(stack, parts.parts(stack))
    say("✓", "stack", "down" + (f", {killed} leftovers killed" if killed else ""))


@app.command()
def env() -> None:
    """Print `export` lines that let a program use the stack."""
    for key, value in known().settings.to_env().items():
        print(f"export {key}={value!r}")


@app.command()
def logs(part: str, lines: Annotated[int, typer.Option("-n", min=1, help="How many lines.")] = 50) -> None:
    """Print the end of a part's log."""
    stack = known()
    names = [one.name for one in parts.parts(stack)]
    if part not in names:
        raise parts.UnknownPart(f"no part {part!r}: the stack has {', '.join(names)}")
    print(start.tail(stack, part, lines))


@app.command(name="status")
def show_status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Each part's state, address, memory and since when; exit code 1 if one is sick."""
    stack = known()
    found = status.look(stack, parts.parts(stack))
    if as_json:
        print(json.dumps(status.as_data(stack, found), indent=1))
    else:
        status.show(stack, found)
    raise typer.Exit(1 if any(one.state == "sick" for one in found) else 0)


@app.command(name="doctor")
def examine() -> None:
    """What this machine lacks and what is stuck, each with its cure; exit code 1 if anything is wrong."""
    stack = known()
    running = bool(daemon.states(stack))
    found = doctor.machine(set_up=(layout.ROOT / ".jars" / ".made-from").exists(), running=running)
    if running:
        seen = status.look(stack, parts.parts(stack))
        found += checkup.findings(stack, seen)
        down = [one.name for one in seen if one.state == "down"]
        checked = f"{len(seen) - len(down)} parts up" + f", not started: {', '.join(down)}" * bool(down)
    else:
        found += ports.taken(stack.settings)
        checked = "the stack is down and can be started"
    s3 = s3_server(stack.settings)
    raise typer.Exit(doctor.report(found, f"{checked}; S3 is {s3}"))


def s3_server(settings: Settings) -> str:
    """Which object store the stack uses, for the reader."""
    return settings.s3_endpoint if settings.s3_server == "external" else s3.binary(settings.s3_server)


@app.command()
def clean() -> None:
    """Stop everything and forget it: the state folder goes."""
    stack = known()
    if not stack.settings_file.exists():
        return say("✓", "stack", f"none was started in {stack.dir}")
    stop.take_down(stack, parts.parts(stack))
    shutil.rmtree(stack.dir, ignore_errors=True)
    ray.short(stack).unlink(missing_ok=True)
    say("✓", "stack", f"{stack.dir} deleted")


def known() -> layout.Stack:
    """The stack as it was last started, or as it would start if it never was."""
    settings = layout.resolve(Settings.from_env())
    if (Path(settings.stack_dir) / "settings.env").exists():
        settings = layout.running(settings.stack_dir)
    return layout.Stack(settings)


def main() -> None:
    """Run a verb; an expected failure is one clear line."""
    try:
        run_app(app)
    except (SettingsError, parts.UnknownPart) as error:
        sys.exit(_complain(error, 2))
    except (start.StartError, daemon.NotRunning, RuntimeError) as error:
        sys.exit(_complain(error, 1))


def _complain(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
