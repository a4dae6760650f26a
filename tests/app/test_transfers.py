"""A server under the load of a class: downloads that wait for their browser, closed uploads, turns at computing."""

import asyncio
import threading
import time

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.server import transfers
from app.state import classroom, turns


@pytest.fixture
def files(monkeypatch):
    """A file manager that keeps files, and its clock."""
    clock = [0.0]
    monkeypatch.setattr(transfers.time, "monotonic", lambda: clock[0])
    end = transfers.keep_files()
    storage = MemoryMediaFileStorage("/media")
    yield MediaFileManager(storage), storage, clock
    end()


def test_a_file_waits_for_its_browser(files):
    manager, storage, clock = files
    url = manager.execute_deferred(manager.add_deferred(lambda: "a,b\n", "text/csv", "1.2", "table.csv"))
    name = url.rsplit("/", 1)[1]
    for _ in range(5):  # runs of other visitors' pages end
        manager.remove_orphaned_files()
    assert storage.get_file(name).content == b"a,b\n"
    clock[0] += transfers.SECONDS + 1
    manager.execute_deferred(manager.add_deferred(lambda: "a,b\n", "text/csv", "1.2", "table.csv"))  # requested again
    manager.remove_orphaned_files()
    assert storage.get_file(name)
    clock[0] += transfers.SECONDS + 1
    for _ in range(2):
        manager.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        storage.get_file(name)


def test_uploads_are_closed_in_a_class(monkeypatch):
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope["path"])

    async def send(message):
        sent.append(message)

    def ask(method, path):
        scope = {"type": "http", "method": method, "path": path, "headers": []}
        asyncio.run(transfers.ClosedUploads(app)(scope, None, send))

    try:
        for switch in ("0", "1"):
            monkeypatch.setenv("IPAGE_CLASSROOM", switch)
            classroom.on.cache_clear()
            ask("PUT", "/_stcore/upload_file/a/b")
            ask("GET", "/_stcore/health")
    finally:
        classroom.on.cache_clear()
    assert reached == ["/_stcore/upload_file/a/b", "/_stcore/health", "/_stcore/health"]
    assert sent[0]["status"] == 403
    assert sent[1]["body"] == b"Uploads are switched off in this classroom."


def test_of_those_who_wait_the_quickest_work_is_first():
    line, entered = turns.Line(), []
    for work, seconds in (("crystal", 2.0), ("sine", 0.05)):
        assert line.enter(work, 10)
        line.leave(work, seconds)

    def visit(work):
        assert line.enter(work, 60)
        entered.append(work)
        line.leave(work, 0.1)

    assert line.enter("first", 10)
    threads = [threading.Thread(target=visit, args=(work,)) for work in ("crystal", "crystal", "sine")]
    for number, thread in enumerate(threads, 1):
        thread.start()
        while line.waiting < number:
            time.sleep(0.001)
    line.leave("first", 0.1)
    for thread in threads:
        thread.join()
    assert entered == ["sine", "crystal", "crystal"]


def test_computations_take_turns_but_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.1)
    inside, done = threading.Event(), threading.Event()

    def long():
        with turns.turn("long"), turns.turn("part"):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=long)
    thread.start()
    inside.wait(10)
    begun = time.perf_counter()
    with turns.turn("quick"):
        assert time.perf_counter() - begun >= 0.1
    done.set()
    thread.join()
    monkeypatch.setattr(turns, "PATIENCE", 60)
    begun = time.perf_counter()
    with turns.turn("quick"):
        assert time.perf_counter() - begun < 30
