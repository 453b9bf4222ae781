"""What a file says that it is, held against its first bytes: only what everybody can check.

A file is never run, shown or unpacked here, so this is no scanner: it catches the wrong file and
the mislabelled one. Formats without a mark of their own (text) may hold no zero byte.
"""

from typing import Final

HEAD_BYTES: Final = 4_096
"""As much of a file's beginning as a check may want to see."""

MARK_BYTES_MAX: Final = 16
"""No mark reaches further than this."""

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument"

MARKS: Final[dict[str, tuple[tuple[int, bytes], ...]]] = {
    "application/pdf": ((0, b"%PDF-"),),
    "application/ofd": ((0, _ZIP),),
    f"{_OPEN_XML}.spreadsheetml.sheet": ((0, _ZIP),),
    f"{_OPEN_XML}.wordprocessingml.document": ((0, _ZIP),),
    f"{_OPEN_XML}.presentationml.presentation": ((0, _ZIP),),
    "application/vnd.ms-excel": ((0, _OLE),),
    "application/msword": ((0, _OLE),),
    "image/jpeg": ((0, b"\xff\xd8\xff"),),
    "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "image/heic": ((4, b"ftyphei"), (4, b"ftypmif1")),
}
"""Where which bytes stand in a file of a type; any one of several is enough."""


MEDIA_TYPES: Final = (*MARKS, "text/csv", "text/plain")
"""What is taken unless the operator says otherwise."""


def mismatch(media_type: str, head: bytes) -> str | None:
    """Why a file that begins so is not of this type, if it is not."""
    if media_type.startswith("text/"):
        return "text holds no zero byte, and this does" if b"\0" in head else None
    marks = MARKS.get(media_type)
    if marks is None or any(head[place:].startswith(mark) for place, mark in marks):
        return None
    return "its first bytes are those of another kind of file"
