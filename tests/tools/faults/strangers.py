"""Requests from pages of another origin or host name, without the token, and with paths in ids and names."""

import asyncio
import http.client
import re

import pandas as pd

from tests.support.browser import serving
from tests.support.visitor import Visitor
from tests.tools.faults.base import Fault, one_command


def strangers(place, scratch):
    """Requests from pages of another origin, without the token, and with paths in ids and names."""
    foreign, paths = (
        Fault("foreign origin, foreign host, no XSRF token"),
        Fault("paths in ids, addresses and file names"),
    )
    (place / "log").touch()
    with open(place / "log", "r+b") as log, serving(log=log, IPAGE_HOME=str(place / "home")) as (address, _, _):
        asyncio.run(_knock(foreign, paths, address))
        log.seek(0)
        paths.tracebacks += re.findall(r"^\w+Error: .*", log.read().decode(errors="replace"), re.MULTILINE)
    designs = pd.DataFrame([[3.9, 3.9, 3.9, 90, 90, 90]], columns=[f"x{k + 1}" for k in range(6)])
    for sample in ("../../../evil", "/../../../evil", "..", "a/b", "C:\\evil", "-1", "1.5", "=1+1", "nan"):
        designs.assign(sample=sample).to_csv(scratch / "e.csv", index=False)
        line = ["export", "crystal", scratch / "e.csv", "--format", "cif", "--out", place / "a/b/c"]
        if one_command(paths, line, place, scratch) == 0:
            paths.lost.append(f"the id {sample} named a file")
    return [foreign, paths]


async def _knock(foreign, paths, address):
    port = int(address.rsplit(":", 1)[1])

    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    socket = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
              "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"evil.example:{port}"):
        for origin in (
            "http://evil.example",
            f"http://evil.example:{port}",
            "null",
            f"http://localhost.evil.example:{port}",
        ):
            status, told = ask("GET", "/_stcore/stream", Host=host, Origin=origin, **socket)
            foreign.said(f"{host} {origin}", "refused" if status == 403 else f"Traceback: {status} {told[:100]!r}")
    for host in (f"evil.example:{port}", "evil.example", f"localhost.evil.example:{port}", "169.254.169.254"):
        for path in (
            "/",
            "/learn",
            "/_stcore/health",
            "/_stcore/host-config",
            "/media/x",
            "/static/x",
            "/app/static/x",
        ):
            status, _ = ask("GET", path, Host=host)
            foreign.said(f"{host}{path}", "refused" if status == 403 else f"Traceback: {status}")
    visitor = Visitor(address, page="data")
    await visitor.fetch_page()
    await visitor.open()
    label = next(e.file_uploader.label for e in visitor.elements.values() if e.WhichOneof("type") == "file_uploader")
    for xsrf in ({}, {"Cookie": "_streamlit_xsrf=x", "X_Xsrftoken": "x"}, {"X_Xsrftoken": visitor.xsrf}):
        for file in ("a", "../../a", "%2e%2e%2fa"):
            status, told = ask("PUT", f"/_stcore/upload_file/{visitor.session}/{file}", b"x", **xsrf)
            foreign.said(f"{xsrf} {file}", "refused" if 400 <= status < 500 else f"Traceback: {status} {told[:100]!r}")
    status = await visitor.upload(label, "a.csv", b"a\n1\n", xsrf=False)
    foreign.said("an upload without the token", "refused" if status == 403 else f"Traceback: {status}")

    up = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "..%c0%af", "%252e%252e%252f")
    for base in ("/", "/media/", "/static/", "/app/static/", "/component/", "/_stcore/bidi-components/", "/data/"):
        for step in up:
            status, told = ask("GET", base + step * 8 + "etc/passwd")
            paths.said(base + step, "refused" if b"root:" not in told and status < 500 else f"Traceback: {status}")
    secret = ("../../../../etc/passwd", "<script>", "/etc/passwd", "\x00", "ipage@../../x", "x" * 5000, "__class__")
    for name in ("task", "method", "view", "n", "seed", "y1", "sampling", "constrain", "start", "sample"):
        guest = Visitor(address)
        for value in secret:
            found = await guest.open(**{name: value})
            kinds = [e.WhichOneof("type") for e in guest.elements.values()]
            said = " ".join(found.errors).replace("\n", " ")
            paths.said(
                f"?{name}={value}", f"Traceback: {said}" if "exception" in kinds else said, result=bool(found.charts)
            )
            await guest.close()
    await visitor.close()
