"""The generators make the shipped cells, pixel by pixel, and count their candidates; files say what they hold."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipage_core.tasks.cells import dataset, printable
from ipage_core.tasks.cells.dataset import DATA, NAMES, Cell, cell, pack, read, read_card, unpack
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.printable import printable_cell


def counted(monkeypatch, module, maker, seed, index) -> Cell:
    """A cell whose candidates are counted as fields that are drawn."""
    drawn = []
    usual = dataset.random_field
    with monkeypatch.context() as patch:
        patch.setattr(module, "random_field", lambda *lengths: drawn.append(lengths) or usual(*lengths))
        made = maker(seed, index)
    assert made.attempts == len(drawn)
    assert made.volume_fraction == made.pixels.sum() / made.pixels.size
    return made


def test_the_papers_cells_are_made_again_to_the_pixel(monkeypatch) -> None:
    columns = ["pixels", "group", "volume_fraction"]
    stored = next(pq.ParquetFile(DATA).iter_batches(batch_size=40, columns=columns)).to_pydict()
    pixels = unpack(np.frombuffer(b"".join(stored["pixels"]), np.uint8).reshape(-1, 128))
    assert read_card()["seed"] == 0
    made = [counted(monkeypatch, dataset, cell, 0, i) for i in range(40)]
    assert all(np.array_equal(one.pixels, known) for one, known in zip(made, pixels, strict=True))
    assert [one.group for one in made] == stored["group"]
    assert [one.volume_fraction for one in made] == stored["volume_fraction"]


def test_printable_cells_are_made_again_to_the_pixel(monkeypatch) -> None:
    data = read(DATA.with_name("printable.parquet"))
    assert data.card["seed"] == 1
    made = [counted(monkeypatch, printable, printable_cell, 1, i) for i in range(25)]
    assert np.array_equal([one.pixels for one in made], data.pixels[:25])
    assert [one.group for one in made] == data.group[:25].tolist()
    assert [one.volume_fraction for one in made] == data.volume_fraction[:25].tolist()
    assert data.stiffness[:3] == pytest.approx(homogenize(data.pixels[:3]), abs=1e-9)


def test_a_set_needs_a_card_and_cells(tmp_path) -> None:
    file = tmp_path / "set.parquet"
    pixels = np.random.default_rng(0).random((2, 32, 32)) < 0.5
    columns = {
        "pixels": pa.array([np.packbits(one).tobytes() for one in pixels], pa.binary(128)),
        "group": ["p1", "pm"],
        "volume_fraction": [0.4, 0.6],
        **{name: [k + 0.5, k + 10.5] for k, name in enumerate(NAMES)},
    }
    card = {"card": json.dumps({"n": 2, "seed": 5})}
    pq.write_table(pa.table(columns).replace_schema_metadata(card), file)
    found = read(file)
    assert np.array_equal(found.pixels, pixels)
    assert pack(pixels).tobytes() == b"".join(columns["pixels"].to_pylist())
    assert found.stiffness[1].tolist() == [[10.5, 11.5, 12.5], [11.5, 13.5, 14.5], [12.5, 14.5, 15.5]]
    assert (found.group.tolist(), found.volume_fraction.tolist()) == (["p1", "pm"], [0.4, 0.6])
    assert found.card == read_card(file) == {"n": 2, "seed": 5}
    del columns["pixels"]
    for table in (pa.table(columns).replace_schema_metadata(card), pa.table({"pixels": [b"0"]}), pa.table({"a": [1]})):
        pq.write_table(table, file)
        with pytest.raises(ValueError, match="not a set of cells"):
            read_card(file)
    file.write_bytes(b"none")
    with pytest.raises(ValueError, match="not a Parquet file"):
        read_card(file)
