"""The server answers only to its own names, pages and files included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class OwnNames:
    """Rejects requests to other host names.

    A hostile page may give the address of this machine a name of its own (DNS rebinding). Streamlit itself checks the
    name only where a session begins.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a name that is not in ``server.allowedHosts``; pass on all other requests."""
        if scope["type"] == "http" and not is_host_allowed(_host(scope)):
            from starlette.responses import PlainTextResponse

            answer = PlainTextResponse("This server does not answer to this name.", status_code=403)
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _host(scope: Scope) -> str | None:
    names = [value for name, value in scope["headers"] if name == b"host"]
    return names[0].decode("latin-1") if len(names) == 1 else None
