"""`@compiled`: Numba's njit with a cache of machine code on disk, because compiling all kernels takes more than ten seconds.

The cache folder is named after a digest of this package's sources: Numba's own cache does not notice that a function
called from another file has changed. Where the folder cannot be written, each process compiles for itself.
"""

import hashlib
import os
from pathlib import Path

from numba import config, njit

PACKAGE = Path(__file__).parent
CACHES = PACKAGE.parents[1] / ".tools" / "numba"


def _source_digest() -> str:
    sources = b"\0".join(file.read_bytes() for file in sorted(PACKAGE.rglob("*.py")))
    return hashlib.sha256(sources).hexdigest()


# sha256 over the sources of the whole package; a model's manifest carries it too.
SOURCE_DIGEST = _source_digest()


def _use_cache_folder() -> bool:
    """Let Numba cache in the folder of these sources. Returns whether that folder is writable."""
    folder = CACHES / SOURCE_DIGEST[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    config.CACHE_DIR = str(folder)
    return os.access(folder, os.W_OK)


compiled = njit(nogil=True, cache=_use_cache_folder())
