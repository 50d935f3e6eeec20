"""How every tool starts: a wrong command line ends with one line that names the value and says where help is."""

import sys

import typer


def run(app: typer.Typer) -> None:
    """Run the command line of this process and exit with its code."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        sys.exit(_refuse(error))
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(error: typer.TyperException) -> int:
    text = error.format_message()
    # Without any argument the message is the help itself.
    whole = "\n" in text.strip()
    print(text if whole else f"error: {text.rstrip('.')}; --help lists what is taken", file=sys.stderr)
    return error.exit_code
