"""Files on their way to and from browsers, where Streamlit's own ways do not serve a class."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from streamlit.runtime.media_file_manager import MediaFileManager, MediaFileMetadata
from streamlit.runtime.media_file_storage import MediaFileKind

from app.state import classroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = 60.0
"""For which a file that was made for a browser stays at least."""
UPLOADS = "/_stcore/upload_file/"
ABOVE = b"<script>window.__streamlit = { BACKEND_BASE_URL: new URL('.', location.href).href }</script>"


def keep_files() -> Callable[[], None]:
    """Let files that are made on request stay until the browser has fetched them; once, at the start.

    Streamlit forgets such a file as soon as two runs of anybody's page have ended since: alone one never notices, in a
    class the browser finds nothing under the given address. → a function that ends this.
    """
    forgotten = MediaFileManager._get_inactive_file_ids
    since: dict[str, tuple[MediaFileMetadata, float]] = {}

    def forgotten_for_long(self: MediaFileManager) -> set[str]:
        """Called with its lock held. A file that is made again has new metadata."""
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


class StraightLinks:
    """A link straight to a page tells the browser where the app lies: one step above.

    Streamlit's own way is to ask for it below the page first, which leaves two errors on every such browser's console.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of every request, those for '/learn' and the like get a script into their head."""
        straight = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].strip("/").isidentifier()
        if not straight or scope["path"].endswith("/"):
            await self.app(scope, receive, send)
            return
        held: Message = {}

        async def report(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                held = message  # until the body is there, whose length it says
                return
            if held:
                start, held = held, {}
                headers = dict(start["headers"])
                body = message.get("body", b"")
                if not message.get("more_body") and headers.get(b"content-type", b"").startswith(b"text/html"):
                    message = {**message, "body": body.replace(b"<head>", b"<head>" + ABOVE, 1)}
                    length = str(len(message["body"])).encode()
                    start = {**start, "headers": list((headers | {b"content-length": length}).items())}
                await send(start)
            await send(message)

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": plain}, receive, report)


class ClosedUploads:
    """In a class, refuses files: the pages show no way to send one, but a program could fill the memory with them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of every request, those that would upload end here."""
        closed = classroom.on() and scope["type"] == "http" and scope["path"].startswith(UPLOADS)
        if closed and scope["method"] == "PUT":
            from starlette.responses import PlainTextResponse

            report = PlainTextResponse("Uploads are switched off in this classroom.", status_code=403)
            await report(scope, receive, send)
        else:
            await self.app(scope, receive, send)
