"""Archives in memory that tests make."""

import io
import tarfile
import zipfile
from typing import Any


def tar(members: dict[str, str | bytes], *, mode: Any = "w") -> bytes:
    """A tar archive of names and contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            content = text if isinstance(text, bytes) else text.encode()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip archive of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
