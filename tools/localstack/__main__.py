"""Commands of the local stack: `./clickstream stack up | down | status | logs | doctor | env | clean`."""

import json
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clickstream_contracts.settings import Settings
from tools.common.command import new_app, report_errors, run_app
from tools.localstack import bootstrap, checks, components, doctor, layout, ports, s3, start, status, stop, supervisord
from tools.localstack.progress import say
from tools.localstack.units import Component

app = new_app("Start, stop and inspect the local stack: processes on 127.0.0.1.")
Only = Annotated[str, typer.Option(help="Comma-separated components, e.g. s3,nessie,kafka; their dependencies start too.")]


@app.command()
@report_errors(RuntimeError, lake=False)
def up(only: Only = "") -> None:
    """Start what is not running and wait until it is healthy."""
    begin = time.monotonic()
    stack = layout.Stack(layout.resolve(Settings.from_env()))
    layout.save(stack)
    for target in bootstrap.stale(bootstrap.DEFAULT_TARGETS):
        say("!", target, "was made from other sources than the present ones: `make up` renews it")
    all_units = components.units(stack)
    selected = components.select(all_units, only)
    if "s3" in [unit.name for unit in selected]:
        s3.installed_program(stack.settings.s3_server)
    if not supervisord.states(stack):
        stop.clean_up(stack, [unit for unit in all_units if isinstance(unit, Component)])
    ready = [unit for unit in start.bring_up(stack, all_units, selected) if unit.is_component]
    started = sum(not unit.was_running for unit in ready)
    say("✓", "stack", f"{time.monotonic() - begin:6.1f} s  {len(ready)} components up, {started} of them started now")


@app.command()
@report_errors(RuntimeError, lake=False)
def down() -> None:
    """Stop everything; the data stays."""
    stack = last_started()
    if not stack.settings_file.exists():
        killed = stop.kill_remaining(stack)
        result = f"nothing to stop: none was ever started in {stack.dir}"
    else:
        killed = stop.take_down(stack, components.components(stack))
        result = "down"
    say("✓", "stack", f"{result}, {killed} remaining processes killed" if killed else result)


@app.command()
@report_errors(RuntimeError, lake=False)
def env() -> None:
    """Print `export` lines with which other programs find the stack."""
    # `run_app` has added the addresses of this machine.
    proxies = {name: os.environ[name] for name in ("NO_PROXY", "no_proxy")}
    for key, value in (last_started().settings.to_env() | proxies).items():
        print(f"export {key}={value!r}")


@app.command()
@report_errors(RuntimeError, lake=False)
def logs(
    component: Annotated[str, typer.Argument(help="A component that `stack status` lists.")],
    lines: Annotated[int, typer.Option("-n", min=1, help="How many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing new lines, until Ctrl-C.")] = False,
) -> None:
    """Print the end of a component's log."""
    stack = last_started()
    candidates = described(stack)
    if component not in [candidate.name for candidate in candidates]:
        raise components.unknown(component, candidates)
    if follow:
        os.execvp("tail", ["tail", "-n", str(lines), "-F", str(stack.log(component))])
    print(start.tail(stack, component, lines))


@app.command()
@report_errors(RuntimeError, lake=False)
def restart(names: Annotated[str, typer.Argument(help="Comma-separated components, e.g. serve or flink.")]) -> None:
    """Stop components of the running stack and start them again; the others run on."""
    stack = last_started()
    all_units = components.units(stack)
    named = components.matching(all_units, names)
    stop.stop(stack, named)
    start.bring_up(stack, all_units, components.select(all_units, names))


@app.command(name="status")
@report_errors(RuntimeError, lake=False)
def show_status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Print each component's state, address, memory and start time; exit code 1 if one is unhealthy."""
    stack = last_started()
    statuses = status.collect(stack, described(stack))
    if as_json:
        print(json.dumps(status.as_data(stack, statuses), indent=1))
    else:
        status.show(stack, statuses)
    raise typer.Exit(1 if any(component.state == "unhealthy" for component in statuses) else 0)


@app.command(name="doctor")
@report_errors(RuntimeError, lake=False)
def run_doctor() -> None:
    """Check the machine and the running stack, and print a fix for each problem; exit code 1 if there is one."""
    stack = last_started()
    is_running = bool(supervisord.states(stack))
    problems = doctor.machine(is_running)
    if is_running:
        statuses = status.collect(stack, components.components(stack))
        problems += checks.problems(stack, statuses)
        down = [component.name for component in statuses if component.state == "down"]
        checked = f"{len(statuses) - len(down)} components up"
        if down:
            checked += f", not started: {', '.join(down)}"
    else:
        problems += ports.problems(stack.settings)
        checked = "the stack is down and can be started"
    raise typer.Exit(doctor.report(problems, f"{checked}; S3 is {s3_server(stack.settings)}"))


def s3_server(settings: Settings) -> str:
    """Returns the endpoint of an external object store, or the path of the program that the stack starts."""
    return settings.s3_endpoint if settings.s3_server == "external" else s3.installed_program(settings.s3_server)


@app.command()
@report_errors(RuntimeError, lake=False)
def clean() -> None:
    """Stop everything and delete the stack's folder: data, logs, passwords."""
    stack = last_started()
    if not stack.settings_file.exists():
        return say("✓", "stack", f"nothing to delete: none was ever started in {stack.dir}")
    stop.take_down(stack, components.components(stack))
    shutil.rmtree(stack.dir, ignore_errors=True)
    say("✓", "stack", f"{stack.dir} deleted")


def last_started() -> layout.Stack:
    """Returns the stack as it was last started; if it never was, as it would start."""
    settings = layout.resolve(Settings.from_env())
    if (Path(settings.stack_dir) / "settings.env").exists():
        settings = layout.running(settings.stack_dir)
    return layout.Stack(settings)


def described(stack: layout.Stack) -> list[Component]:
    """Returns the stack's components. Those of a stack that never started are described without creating its folders."""
    if stack.settings_file.exists():
        return components.components(stack)
    with tempfile.TemporaryDirectory() as folder:
        draft = layout.Stack(layout.resolve(replace(stack.settings, stack_dir=folder)))
        layout.save(draft)
        return components.components(draft)


if __name__ == "__main__":
    run_app(app)
