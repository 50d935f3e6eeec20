"""Starts one component: its command and environment are in a private file, so that neither shows in `ps`.

Run by supervisord as `python launch.py SPECIFICATION.json DIGEST`.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Replace this process by the component that the file argv[1] describes."""
    specification = json.loads(Path(sys.argv[1]).read_text())
    os.chdir(specification["home"])
    os.umask(0o077)
    os.execve(specification["argv"][0], specification["argv"], specification["env"])


if __name__ == "__main__":
    main()
