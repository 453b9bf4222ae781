"""The files that pages load: read once, named by their content, so that browsers may keep them."""

import hashlib
import mimetypes
from pathlib import Path
from typing import Final

from litestar import Response, get
from litestar.params import FromPath

from api.auth import Permission
from ledger.errors import NotFound

FOLDER: Final = Path(__file__).parent / "static"
KEEP: Final = "public, max-age=31536000, immutable"

_FILES: Final = {
    path.name: path.read_bytes()
    for path in FOLDER.iterdir()
    if path.suffix in {".css", ".js", ".svg"}
}
_VERSIONS: Final = {
    name: hashlib.sha256(content).hexdigest()[:12] for name, content in _FILES.items()
}


def asset(name: str) -> str:
    """The address of a file; it changes when the file does."""
    return f"/static/{_VERSIONS[name]}/{name}"


@get(
    "/static/{version:str}/{name:str}",
    permission=Permission.PUBLIC,
    json=False,
    include_in_schema=False,
    sync_to_thread=False,
)
def show_asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file; an old version's address still finds the file, but is not kept."""
    content = _FILES.get(name)
    if content is None:
        raise NotFound(f"there is no file {name!r}")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"cache-control": KEEP if _VERSIONS[name] == version else "no-cache"}
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)
