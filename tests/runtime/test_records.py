"""Results in a cache are read only in the form in which they were written."""

import json

import pytest

from ipage_core.runtime import records

FORM = {"gap": float, "name": str, "by": ("a", "b"), "k": (3,), "edges": (2, None), "states": [{"energy": float}]}
WHOLE = {"gap": 1, "name": "", "by": "a", "k": [0, 0, 0.5], "edges": [[1], [2]], "states": [{"energy": -1.5}]}


def test_a_sound_record_is_read(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(WHOLE | {"more": None}))
    assert records.read(tmp_path / "r.json", FORM) == WHOLE | {"more": None}


@pytest.mark.parametrize("change", [
    {"gap": "1"}, {"gap": True}, {"gap": float("nan")}, {"gap": float("inf")}, {"gap": 10**400}, {"name": None},
    {"by": "c"}, {"by": ["a"]}, {"k": [0, 0]}, {"k": 0}, {"k": ["x", 0, 0]}, {"k": ["1", "0", "0"]},
    {"k": [10**400, 0, 0]}, {"k": [True] * 3}, {"k": [0, 0, None]}, {"k": {}},
    {"edges": [[], []]}, {"edges": [[1], [2, 3]]}, {"edges": []}, {"states": []}, {"states": {}}, {"states": [1]},
    {"states": [{"energy": 1}, {}]},
])  # fmt: skip
def test_another_form_is_not(tmp_path, change):
    (tmp_path / "r.json").write_text(json.dumps(WHOLE | change))
    assert records.read(tmp_path / "r.json", FORM) is None


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"gap": 1.8', b"\xff\xfe", b"[" * 100_000, b"1"])
def test_what_is_no_record_is_none(tmp_path, content):
    (tmp_path / "r.json").write_bytes(content)
    assert records.read(tmp_path / "r.json", FORM) is None
    assert records.read(tmp_path / "none.json", FORM) is None
