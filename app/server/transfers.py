"""Downloads and uploads, where Streamlit's own handling does not suit a class."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from streamlit.runtime.media_file_manager import MediaFileManager, MediaFileMetadata
from streamlit.runtime.media_file_storage import MediaFileKind

from app.state import classroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

SECONDS = 60.0
"""Minimum lifetime of a file made for a download."""
UPLOADS = "/_stcore/upload_file/"


def keep_files() -> Callable[[], None]:
    """Keep files that are made on request until the browser has fetched them; call once, at the start.

    Streamlit drops such a file once two runs of any visitor's page have ended since: with one visitor this is never
    noticed, in a class the browser finds nothing at the address. → a function that undoes this.
    """
    forgotten = MediaFileManager._get_inactive_file_ids
    since: dict[str, tuple[MediaFileMetadata, float]] = {}

    def forgotten_for_long(self: MediaFileManager) -> set[str]:
        """Called with the manager's lock held. A file that is made again has new metadata."""
        result, now = forgotten(self), time.monotonic()
        for name in [name for name in since if name not in result or since[name][0] is not self._file_metadata[name]]:
            del since[name]
        made = {name for name in result if self._file_metadata[name].kind == MediaFileKind.DOWNLOADABLE}
        for name in made:
            since.setdefault(name, (self._file_metadata[name], now))
        return {name for name in result if name not in made or since[name][1] < now - SECONDS}

    def end() -> None:
        MediaFileManager._get_inactive_file_ids = forgotten  # type: ignore[method-assign]

    MediaFileManager._get_inactive_file_ids = forgotten_for_long  # type: ignore[method-assign]
    return end


class ClosedUploads:
    """Rejects uploads in a class: pages offer none, but a program could fill the memory with files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject requests that upload; pass on all others."""
        closed = classroom.on() and scope["type"] == "http" and scope["path"].startswith(UPLOADS)
        if closed and scope["method"] == "PUT":
            from starlette.responses import PlainTextResponse

            report = PlainTextResponse("Uploads are switched off in this classroom.", status_code=403)
            await report(scope, receive, send)
        else:
            await self.app(scope, receive, send)
