"""A visitor without a browser: uses the protocol of Streamlit's own page, at a hundredth of the cost.

It fetches the page and its scripts, takes the XSRF cookie, opens the WebSocket with the page's origin, sends back every
widget's state, keeps large messages as a browser does, and downloads through the media address that a click makes.
"""

import asyncio
import json
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect

COOKIE = "_streamlit_xsrf"
KEPT_RUNS = 2
"""A message unused for this many runs is dropped (the page's own rule)."""
ENDED = ForwardMsg.ScriptFinishedStatus


@dataclass
class Ran:
    """The results of one run of the script."""

    seconds: float
    """Time from sending the message until the script had finished and all output had arrived."""
    until_figure: float
    """The same until the last figure had arrived."""
    bytes: int
    charts: list[dict] = field(default_factory=list)
    """Plotly figures on the page."""
    errors: list[str] = field(default_factory=list)
    """Tracebacks and error messages."""


class Visitor:
    """One visitor with a separate tab."""

    def __init__(self, address, *, origin=None, seed=0, page=""):
        self.address, self.origin, self.page_name = address, origin or address, page
        self.random = random.Random(seed)
        self.xsrf = self.session = self.page = ""
        self.query: dict[str, str] = {}
        self.elements: dict[tuple, Element] = {}
        self.states: dict[str, WidgetState] = {}
        self._kept: dict[str, list] = {}
        self._socket = None

    async def get(self, path):
        """(content, type) at a path of the server."""
        return await asyncio.to_thread(self._get, path)

    def _get(self, path):
        request = urllib.request.Request(self.address + path)
        if self.xsrf:
            request.add_header("Cookie", f"{COOKIE}={self.xsrf}")
        with urllib.request.urlopen(request, timeout=120) as answer:
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                if cookie.startswith(f"{COOKIE}="):
                    self.xsrf = cookie.split(";")[0].split("=", 1)[1]
            return answer.read(), answer.headers.get_content_type()

    async def fetch_page(self):
        """The page and the scripts that it requests automatically. → bytes."""
        page, _ = await self.get("/")
        text, size = page.decode(), len(page)
        for path in dict.fromkeys(re.findall(r'(?:src|href)="\./(static/[^"]+)"', text)):
            size += len((await self.get(f"/{path}"))[0])
        return size

    async def open(self, **query):
        """Connect, and run the script for the first time."""
        self.query = {name: str(value) for name, value in query.items()}
        await self.get("/_stcore/health")
        await self.get("/_stcore/host-config")
        address = urllib.parse.urlsplit(self.address)
        self._socket = await connect(
            f"ws://{address.netloc}/_stcore/stream",
            origin=self.origin,
            subprotocols=["streamlit", self.xsrf or "PLACEHOLDER_AUTH_TOKEN"],
            additional_headers={"Cookie": f"{COOKIE}={self.xsrf}"},
            max_size=None,
            max_queue=None,
            open_timeout=60,
        )
        return await self.run()

    async def close(self):
        """Close the tab."""
        if self._socket:
            await self._socket.close()

    def find(self, kind, key):
        """The widget of a kind by its key, or the ones of a kind by their label."""
        for element in self.elements.values():
            if element.WhichOneof("type") == kind:
                widget = getattr(element, kind)
                if widget.id.endswith(f"-{key}") or getattr(widget, "label", None) == key:
                    return widget
        raise LookupError(f"there is no {kind} '{key}' on the page")

    def set(self, kind, key, value):
        """Set a widget's value, as a label where it offers labels."""
        widget = self.find(kind, key)
        self.states[widget.id] = _state(widget, value)
        if name := getattr(widget, "query_param_key", ""):
            self.query[name] = value if isinstance(value, str) else f"{value:.10g}"

    def press(self, key):
        """Press a button; it is released when the run ends."""
        name = self.find("button", key).id
        self.states[name] = WidgetState(id=name, trigger_value=True)

    async def run(self, timeout=120):
        """Run the script with the current widgets; wait for its end."""
        message, sent = BackMsg(), time.perf_counter()
        asked = message.rerun_script
        asked.query_string = urllib.parse.urlencode(self.query)
        asked.page_script_hash, asked.page_name = self.page, "" if self.page else self.page_name
        asked.widget_states.widgets.extend(self.states.values())
        asked.cached_message_hashes.extend(self._kept)
        asked.context_info.url = self.address + "/"
        asked.context_info.color_scheme = "light"
        asked.context_info.timezone = "UTC"
        await self._socket.send(message.SerializeToString())
        ran = Ran(0.0, 0.0, 0)
        async with asyncio.timeout(timeout):
            while not self._take(await self._socket.recv(), ran, sent):
                pass
        ran.seconds = time.perf_counter() - sent
        self._settle(ran)
        return ran

    def _take(self, data, ran, sent):
        """Process one message. → whether the run is over."""
        message = ForwardMsg.FromString(data)
        ran.bytes += len(data)
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            kept = self._kept[message.ref_hash]
            kept[1], metadata = 0, message.metadata
            message = ForwardMsg.FromString(kept[0])
            message.metadata.CopyFrom(metadata)
            kind = message.WhichOneof("type")
        elif message.metadata.cacheable:
            self._kept[message.hash] = [data, 0]
        if kind == "new_session":
            self.session = message.new_session.initialize.session_id or self.session
            self.elements = {}
        elif kind == "navigation":
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = dict(urllib.parse.parse_qsl(message.page_info_changed.query_string))
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            self.elements[tuple(message.metadata.delta_path)] = element
            if element.WhichOneof("type") == "plotly_chart":
                ran.until_figure = time.perf_counter() - sent
        elif kind == "script_finished":
            return message.script_finished in (ENDED.FINISHED_SUCCESSFULLY, ENDED.FINISHED_WITH_COMPILE_ERROR)
        return False

    def _settle(self, ran):
        """The page's work at the end of a run: widgets report their values, old messages are dropped."""
        for digest in list(self._kept):
            self._kept[digest][1] += 1
            if self._kept[digest][1] > KEPT_RUNS:
                del self._kept[digest]
        there = set()
        for element in self.elements.values():
            kind = element.WhichOneof("type")
            widget = getattr(element, kind) if kind else None
            if kind in KINDS:
                there.add(widget.id)
                if widget.set_value or widget.id not in self.states:
                    self.states[widget.id] = _state(widget, KINDS[kind](widget))
            elif kind == "file_uploader":
                there.add(widget.id)
            elif kind == "plotly_chart":
                ran.charts.append(json.loads(widget.spec))
            elif kind == "exception":
                ran.errors.append(f"{widget.type}: {widget.message} {list(widget.stack_trace)}")
            elif kind == "alert" and widget.format == widget.ERROR:
                ran.errors.append(widget.body)
        self.states = {name: state for name, state in self.states.items() if name in there}

    async def _answer(self, message, request, kind):
        """Send a message with a request and wait for the answer of that kind."""
        request.request_id, request.session_id = str(uuid.uuid4()), self.session
        await self._socket.send(message.SerializeToString())
        async with asyncio.timeout(120):
            while True:
                answer = ForwardMsg.FromString(await self._socket.recv())
                if answer.WhichOneof("type") == kind:
                    return getattr(answer, kind)

    async def upload(self, label, name, content, xsrf=True):
        """Send a file to the server and hand it to an uploader, as a browser does. → the HTTP status."""
        uploader, message = self.find("file_uploader", label), BackMsg()
        message.file_urls_request.file_names.append(name)
        answer = await self._answer(message, message.file_urls_request, "file_urls_response")
        urls = answer.file_urls[0]
        status = await asyncio.to_thread(self._put, urls.upload_url, name, content, xsrf)
        if status == 204:
            info = WidgetState(id=uploader.id)
            file = info.file_uploader_state_value.uploaded_file_info.add(name=name, size=len(content))
            file.file_id, self.states[uploader.id] = urls.file_id, info
            file.file_urls.CopyFrom(urls)
        return status

    def _put(self, path, name, content, xsrf):
        quoted = name.replace('"', "%22").replace("\n", "%0A").replace("\r", "%0D")
        head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
        request = urllib.request.Request(
            self.address + path, head.encode() + content + b"\r\n--edge--\r\n", method="PUT"
        )
        request.add_header("Content-Type", "multipart/form-data; boundary=edge")
        if xsrf:
            request.add_header("Cookie", f"{COOKIE}={self.xsrf}")
            request.add_header("X-Xsrftoken", self.xsrf)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    async def download(self, label):
        """Click a download button: the server makes the file, the browser fetches it. → (content, type, seconds)."""
        button, sent = self.find("download_button", label), time.perf_counter()
        url = button.url
        if button.deferred_file_id:
            message = BackMsg()
            message.backend_operation_request.deferred_file.file_id = button.deferred_file_id
            answer = await self._answer(message, message.backend_operation_request, "backend_operation_response")
            if answer.error_msg:
                raise RuntimeError(answer.error_msg)
            url = answer.deferred_file.url
        content, kind = await self.get(url)
        return content, kind, time.perf_counter() - sent


def _slider(widget):
    if widget.type == widget.SELECT_SLIDER:
        return list(widget.raw_value) if widget.set_value else [widget.options[int(k)] for k in widget.default]
    return list(widget.value if widget.set_value else widget.default)


def _selectbox(widget):
    if widget.set_value:
        return widget.raw_value
    return widget.options[widget.default] if widget.HasField("default") and widget.options else ""


def _buttons(widget):
    if widget.set_value:
        return list(widget.raw_values)
    return [widget.options[k].content for k in widget.default]


def _number(widget):
    which = "value" if widget.set_value else "default"
    return getattr(widget, which) if widget.HasField(which) else None


def _plain(widget):
    return widget.value if widget.set_value else widget.default


KINDS = {
    "number_input": _number,
    "slider": _slider,
    "selectbox": _selectbox,
    "button_group": _buttons,
    "text_input": _plain,
    "checkbox": _plain,
}
"""Widgets that report a value, and their default or the default from the server."""


def _state(widget, value):
    """The message of a widget's value."""
    state, kind = WidgetState(id=widget.id), widget.DESCRIPTOR.name
    if (kind == "Slider" and widget.type == widget.SELECT_SLIDER) or kind == "ButtonGroup":
        state.string_array_value.data.extend([value] if isinstance(value, str) else value)
    elif kind == "Slider":
        state.double_array_value.data.extend(value if isinstance(value, list) else [value])
    elif kind == "NumberInput":
        if value is not None:
            state.double_value = value
    elif kind == "Checkbox":
        state.bool_value = value
    else:
        state.string_value = value
    return state
