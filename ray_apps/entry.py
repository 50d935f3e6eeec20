"""What all Ray apps have in common: their arguments, and one line when something is wrong."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """argparse, with one line instead of the usage text when something is wrong."""

    def __init__(self, app: str, about: str | None) -> None:
        super().__init__(prog=f"ray_apps.{app}", description=about, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")
