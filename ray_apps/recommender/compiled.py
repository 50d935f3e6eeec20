"""`@compiled`: Numba's njit, whose machine code is kept for the processes to come. To compile all loops takes ten seconds and more.

The code is kept beside the project's other tools, in a folder named after the sources: Numba itself would not see that a
function called from another file has changed. Where nothing can be written, each process compiles for itself.
"""

import hashlib
import os
from pathlib import Path

from numba import config, njit

ROOT = Path(__file__).parents[2]


def _kept() -> bool:
    """Choose the folder. Returns whether code can be kept there."""
    sources = b"\0".join(file.read_bytes() for file in sorted(Path(__file__).parent.rglob("*.py")))
    folder = ROOT / ".tools" / "numba" / hashlib.sha256(sources).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    config.CACHE_DIR = str(folder)
    return os.access(folder, os.W_OK)


compiled = njit(nogil=True, cache=_kept())
