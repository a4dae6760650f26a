"""Files on their way to and from browsers, where Streamlit's own ways do not serve a class."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamlit.runtime.media_file_manager import MediaFileManager

from app import classroom

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SECONDS = 60.0
"""For which a file that was made for a browser stays."""
OWNER = "files on their way"
"""Files are forgotten unless a session holds them: this one, which nobody opened."""
UPLOADS = "/_stcore/upload_file/"


def keep_files() -> None:
    """Let files that are made when they are asked for stay until the browser has fetched them; once, at the start.

    Streamlit forgets such a file as soon as two runs of anybody's page have ended since: alone one never notices, in a
    class the browser finds nothing under the address that it was told.
    """
    make = MediaFileManager.execute_deferred

    def make_and_keep(self: MediaFileManager, file_id: str) -> str:
        url = make(self, file_id)
        made, now = urlsplit(url).path.rsplit("/", 1)[-1].split(".")[0], time.monotonic()
        with self._lock:
            held = self._files_by_session_and_coord[OWNER]
            for moment in [moment for moment in held if float(moment) < now - SECONDS]:
                del held[moment]
            held[repr(now)] = made
        return url

    MediaFileManager.execute_deferred = make_and_keep  # type: ignore[method-assign]


class ClosedUploads:
    """In a class, refuses files: the pages show no way to send one, but a program could fill the memory with them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of every request, those that would upload end here."""
        closed = classroom.on() and scope["type"] == "http" and scope["path"].startswith(UPLOADS)
        if closed and scope["method"] == "PUT":
            from starlette.responses import PlainTextResponse

            told = PlainTextResponse("Uploads are switched off in this classroom.", status_code=403)
            await told(scope, receive, send)
        else:
            await self.app(scope, receive, send)
