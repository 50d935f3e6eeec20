"""Reads and writes small files with the file systems of the Flink cluster, S3 among them."""

from pyflink.java_gateway import get_gateway


def write_text(uri: str, text: str) -> None:
    """Write a file in UTF-8; an existing one is replaced."""
    jvm = get_gateway().jvm
    path = jvm.org.apache.flink.core.fs.Path(uri)
    overwrite = jvm.org.apache.flink.core.fs.FileSystem.WriteMode.OVERWRITE
    stream = path.getFileSystem().create(path, overwrite)
    try:
        stream.write(text.encode())
    finally:
        stream.close()


def read_text(uri: str) -> str:
    """Returns the content of a file in UTF-8."""
    jvm = get_gateway().jvm
    path = jvm.org.apache.flink.core.fs.Path(uri)
    stream = path.getFileSystem().open(path)
    try:
        return bytes(stream.readAllBytes()).decode()
    finally:
        stream.close()
