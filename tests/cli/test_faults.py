"""Every error ends in a clear message and leaves all files intact.

``tests/tools/fault_app.py`` tests more, in minutes.
"""

import asyncio
import errno
import http.client
import os
import re
import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from app.workers import trainings
from ipage_core import benchmark
from ipage_core.cli.main import main
from ipage_core.runtime import executor as cluster
from ipage_core.runtime.files import replacing
from ipage_core.tasks.export import files
from ipage_core.tasks.table import own_data, own_task
from ipage_core.tasks.table import reader as tables
from tests.support import malformed
from tests.support.browser import server
from tests.support.visitor import Visitor

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@given(malformed.uploads)
@settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_malformed_table_is_a_task_or_a_sentence_and_no_task(tmp_path_factory, upload):
    folder = tmp_path_factory.mktemp("own") / "task"
    assert re.fullmatch("[a-z0-9-]+", own_data.slug(upload[0]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = tables.read([upload])
            x, y = tables.guess(tables.look(frame))
            if x and y:
                assert all(len(told.splitlines()) == 1 for told in tables.warnings(frame, x, y))
            own_data.create(folder, frame, x, y, source=upload[0], title=upload[0])
    except ValueError:
        assert not folder.exists()
    else:
        assert own_task.load(folder).bounds.isfinite().all()


@pytest.mark.parametrize("samples", [["../../evil"], ["/etc/evil"], [".."], [-1], [1.5], [True], ["=1+1"], [3, 3]])
def test_an_id_that_is_no_number_of_its_own_names_no_file(samples):
    frame = pd.DataFrame([[3.9, 3.9, 3.9, 90, 90, 90]] * len(samples), columns=[f"x{k + 1}" for k in range(6)])
    with pytest.raises(ValueError, match="accepted"):
        files("crystal", "cif", frame.assign(sample=samples))


@pytest.mark.parametrize("arguments", [
    ["design", "sinewave", "--target=1", "--omega-evals=1000000000"],
    ["design", "sinewave", "--target=1", "--steps=10000000000"],
    ["design", "sinewave", "--target=1", f"--n={'9' * 5000}"],
    ["train", "sinewave", "--epochs=999999999"],
    ["dataset", "ballistics", "--n=99999999999999"],
    ["dataset", "ballistics", "--n=9", "--workers=100000"],
    ["benchmark", "--quick", "--repeats=1000000"],
])  # fmt: skip
def test_numbers_that_would_run_for_days_are_refused(arguments, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*arguments, "--out", str(tmp_path / "out.parquet")])
    said = capsys.readouterr().err
    assert "is not accepted: a whole number, from" in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [
    ["design", "sinewave", "--target=--", "--n=3"],
    ["campaign", "sinewave", "--target=--"],
    ["design", "sinewave", "--target=1", "--constrain=--"],
    ["design", "sinewave", "--target=1", "--out=--"],
])  # fmt: skip
def test_two_dashes_are_no_value(arguments, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*arguments, "--out", str(tmp_path / "o.csv")])
    said = capsys.readouterr().err
    assert "'--' is not accepted as a value" in said
    assert len(said.splitlines()) == 1


def test_only_files_are_replaced_and_links_stay(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="it is not a file; accepted"), replacing(tmp_path / "pipe"):
        pass
    with replacing(tmp_path / "link") as beside:
        beside.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"
    for name in ("pipe", "n" * 300, "."):
        with pytest.raises(SystemExit):
            main(["design", "sinewave", "--target=1", "--out", str(tmp_path / name)])
        assert "is not accepted: the name of a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["design", "sinewave", "--target=1", "--out", "loop"],
        ["verify", "sinewave", "loop", "--out", "o.csv"],
        ["train", "--data", "loop", "--x", "a", "--y", "b", "--out", "m"],
        ["new", "loop", "--x", "a=0:1", "--y", "b ± 1", "--command", "sh {in} {out}"],
    ],
    ids=" ".join,
)
def test_a_link_that_leads_to_itself_is_refused(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises(SystemExit):
        main(words)
    said = capsys.readouterr().err
    assert "'loop' is not accepted: a link that leads to itself" in said
    assert len(said.splitlines()) == 1


def test_a_link_to_a_file_in_a_missing_folder_makes_both(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "missing/file")
    with replacing(tmp_path / "link") as beside:
        beside.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "missing/file").read_text() == "new"


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch, capsys):
    out = tmp_path / "o.csv"
    out.write_text("precious")

    def fail(*_, **__):
        raise FULL

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    assert main(["design", "sinewave", "--target=1", "--n=3", "--out", str(out)]) == 2
    assert "o.csv cannot be written: the disk is full; accepted" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [out]


def test_a_journal_on_a_full_disk_goes_on_when_there_is_room(tmp_path, monkeypatch):
    journal, write = tmp_path / "j", os.write

    def half(file, line):
        return write(file, line[: len(line) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="j: the disk is full; finished items are safe"):
        cluster.run(dict, [("a", {"n": 1})], journal, workers=0)
    monkeypatch.undo()
    assert not journal.read_bytes().endswith(b"\n")
    assert cluster.run(dict, [("a", {"n": 1}), ("b", {})], journal, workers=0) == {"a": {"n": 1}, "b": {}}


def test_a_training_that_cannot_be_written_down_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))

    def fail(*_, **__):
        raise FULL

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="cannot be written: the disk is full"):
        trainings.add("one", "sinewave", "prior-lm", ["mlp"], tmp_path / "models/one")
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".json", ".part")]


def test_folding_nothing_leaves_the_tables_of_an_earlier_run(tmp_path, capsys):
    (tmp_path / benchmark.CELLS).write_text("precious")
    assert main(["benchmark", "--quick", "--fold", "--out", str(tmp_path)]) == 2
    assert "holds no finished results of these runs; accepted" in capsys.readouterr().err
    assert [p.read_text() for p in tmp_path.iterdir()] == ["precious"]


def test_the_server_takes_files_from_its_own_pages_and_gives_none_of_others(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))

    async def visit(address):
        visitor = Visitor(address, page="data")
        await visitor.fetch_page()
        await visitor.open()
        for _ in range(5):  # the first run of a page may end before all of it is drawn
            kinds = [(element.WhichOneof("type"), element) for element in visitor.elements.values()]
            labels = [element.file_uploader.label for kind, element in kinds if kind == "file_uploader"]
            if labels:
                break
            await visitor.run()
        (label,) = labels
        assert await visitor.upload(label, "a.csv", b"a,b\n", xsrf=False) == 403
        assert await visitor.upload(label, "../a.csv", b"a,b\n") == 204
        assert (await visitor.run()).errors == ["../a.csv has no rows; accepted: at least 50, below a header"]
        await visitor.close()

    with server() as (address, _):
        asyncio.run(visit(address))
        for path in ("/media/", "/static/", "/app/static/", "/component/", "/_stcore/bidi-components/"):
            for up in ("../", "..%2f", "%2e%2e%2f", "..%5c", "%252e%252e%252f"):
                connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
                connection.request("GET", path + up * 8 + "etc/passwd")
                answer = connection.getresponse()
                assert answer.status < 500
                assert b"root:" not in answer.read()
                connection.close()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
