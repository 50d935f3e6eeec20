"""Reads the bytes of a file, decompressed if it is gzip; of a damaged file all bytes up to the damage."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tools.replay.lines import DamagedFile

CHUNK: Final = 1 << 18
GZIP: Final = b"\x1f\x8b"
# zlib's number for the gzip format.
GZIP_WINDOW: Final = 31


def chunks(path: Path) -> Iterator[bytes]:
    """Yields the file's bytes. Raises DamagedFile after the last readable ones."""
    parts = _file_chunks(path)
    first = next(parts, b"")
    if first.startswith(GZIP) or path.suffix.lower() == ".gz":
        yield from _decompress(first, parts, path)
    else:
        yield first
        yield from parts


def _file_chunks(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise DamagedFile(f"{path}: cannot be read: {error.strerror or error}") from None


def _decompress(first: bytes, parts: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yields the content of all members of a gzip file."""
    member, chunk = zlib.decompressobj(GZIP_WINDOW), first
    while chunk:
        # After an error zlib returns nothing of the chunk, so it is read again from the state before it.
        before = member.copy()
        try:
            yield member.decompress(chunk)
        except zlib.error as error:
            yield from _readable_bytes(before, chunk)
            raise DamagedFile(f"{path}: damaged gzip: {error}") from None
        if member.eof:
            chunk = member.unused_data.lstrip(b"\0") or next(parts, b"").lstrip(b"\0")
            member = zlib.decompressobj(GZIP_WINDOW) if chunk else member
        else:
            chunk = next(parts, b"")
    if not member.eof:
        raise DamagedFile(f"{path}: damaged gzip: the file ends before its content does")


def _readable_bytes(member: Any, chunk: bytes) -> Iterator[bytes]:
    """Yields what can be decompressed of a chunk with an error in it."""
    try:
        for position in range(len(chunk)):
            yield member.decompress(chunk[position : position + 1])
    except zlib.error:
        return
