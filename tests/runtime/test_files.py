"""Files are replaced whole, by one writer at a time, and what is protected stays."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest
import torch

from ipage_core.networks.store import load_card, save_model, sha256
from ipage_core.runtime import files
from ipage_core.runtime.files import check_writable, replacing, sole_writer
from ipage_core.runtime.paths import home
from ipage_core.tasks import computed_rows


def test_threads_that_write_one_file_all_succeed(tmp_path):
    ready, failed = threading.Barrier(8), []

    def write(k):
        try:
            check_writable(tmp_path / "o.csv")
            with replacing(tmp_path / "o.csv") as beside:
                beside.write_text(f"{k}\n" * 1000)
                ready.wait(30)  # all of them have a temporary file now
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]
    assert len({*(tmp_path / "o.csv").read_text().split()}) == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="this system has no /proc")
def test_a_process_that_has_ended_does_not_live_before_its_parent_notices(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as process:
        left = tmp_path / f".o.csv.1.{process.pid}.part"
        left.touch()
        with replacing(tmp_path / "o.csv") as beside:
            beside.touch()
        assert files.lives(process.pid)
        assert left.exists()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the list
        assert not files.lives(process.pid)
        with replacing(tmp_path / "o.csv") as beside:
            beside.touch()
        assert not left.exists()


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / f".o.csv.140.{child}.part").touch()
    with replacing(tmp_path / "o.csv") as beside:
        beside.touch()
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_a_file_that_is_protected_is_not_replaced(tmp_path, monkeypatch):
    out = tmp_path / "o.csv"
    out.write_text("precious")
    monkeypatch.setattr(files.os, "access", lambda path, mode: (Path(path), mode) != (out, os.W_OK))
    with pytest.raises(OSError, match=r"o\.csv cannot be written: it is protected against writing"), replacing(out):
        pass
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_a_disk_that_fills_up_between_weights_and_card_leaves_the_former_model(tmp_path, monkeypatch):
    card = {"task": "sinewave", "name": "mlp"}
    save_model(tmp_path, "mlp", {"phi": {"w": torch.zeros(3)}}, card)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"mlp\.\w+ cannot be written: the disk is full"):
        save_model(tmp_path, "mlp", {"phi": {"w": torch.ones(3)}}, card)
    assert load_card("sinewave", "mlp", folder=tmp_path)["sha256"] == sha256(tmp_path / "mlp.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlp.json", "mlp.safetensors"]


def test_a_summary_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    readme, write = tmp_path / "README.md", Path.write_text
    readme.write_text("before\n<!-- summary -->\nold\n<!-- end -->\nafter\n")

    def half(path, text):
        write(path, text[: len(text) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match="the disk is full"):
            computed_rows.put_summary(tmp_path / "d.parquet", "new\n")
    assert readme.read_text() == "before\n<!-- summary -->\nold\n<!-- end -->\nafter\n"
    computed_rows.put_summary(tmp_path / "d.parquet", "new\n")
    assert readme.read_text() == "before\n<!-- summary -->\nnew\n<!-- end -->\nafter\n"


def test_the_lock_of_a_file_leaves_the_folder_to_others(tmp_path):
    with sole_writer(tmp_path, lock_name=".log.lock"):
        refused = []

        def enter(name):
            try:
                with sole_writer(tmp_path, lock_name=name):
                    pass
            except ValueError as error:
                refused.append((name, "Another run is writing" in str(error)))

        for name in (".log.lock", files.LOCK):
            thread = threading.Thread(target=enter, args=(name,))
            thread.start()
            thread.join()
    assert refused == [(".log.lock", True)]


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def none(_):
        raise RuntimeError("Could not determine home directory.")

    from ipage_core.tasks.crystal.dft import cache_folder

    monkeypatch.setattr(Path, "expanduser", none)
    for name in ("IPAGE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "IPAGE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r"this user has no home folder; accepted: a folder in \$IPAGE_HOME"):
        home()
    with pytest.raises(ValueError, match=r"accepted: a folder in \$IPAGE_CACHE"):
        cache_folder()
