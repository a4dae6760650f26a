"""Hostile command lines."""

import os

from tests.tools.faults.base import Fault, one_command


def commands(place, scratch):
    """Hostile command lines."""
    fault = Fault("hostile command lines")
    given_files = {
        "nan.csv": b"x1,x2\nnan,1\n", "inf.csv": b"x1,x2\n1e400,1\n", "huge.csv": b"x1,x2\n1e308,-1e308\n",
        "formula.csv": b"x1,x2,note\n0.1,0.2,=1+1\n", "nul.csv": b"x1,x2\n\0,1\n", "empty.csv": b"\n", "file": b"x",
        "long.csv": b"x1,x2\n" + b"1" * 200_000 + b",1\n", "bytes.csv": bytes(range(256)) * 20 + b"\n",
        "targets.csv": b"y1\ninf\n", "ok.csv": b"x1,x2\n0.1,0.2\n",
    }  # fmt: skip
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe")
    for name, content in given_files.items():
        (place / name).write_bytes(content)
    files = [place / name for name in (*given_files, "folder", "pipe", "none.csv")]
    out = place / "o.csv"
    design = ["design", "sinewave", "--target=1", "--n", "3"]
    options = {
        "target": ("nan", "inf", "1e308", "-1e308", "1e400", "2:1", "nan:1", ":", "1:2:3", "", "1,2", "0x10",
                   "<b>1</b>", "1_000", "9" * 5000),
        "n": ("0", "-1", "1e3", "9" * 20, "9" * 5000, "100001", "3.5", "nan", "٣", ""),
        "seed": ("-1", "1.5", "4294967296", "9" * 50), "sampling": ("x", "", "../x"), "optimizer": ("x", ""),
        "method": ("x", "ipage@../../etc", "../ipage", "ipage@"), "verify": ("-1", "x", "1.5", "", "9" * 20),
        "omega-evals": ("-1", "1.5", "x", "1000000000"), "steps": ("0", "-1", "x", "10000000000"),
        "device": ("x", "", "cuda:99", "meta"), "measure": ("9" * 30,),
        "constrain": ("x1", "x1=", "x1=nan", "x9=1", "x1=1e308", "x1<=-9", "<b>x1</b>=1", "x1=0;x2=0", "x1<x2", "é=1",
                      "x1==1", "x1=0.1;x1=0.2", "=" * 10_000),
        "seed-design": files, "targets": files, "to-measure": (place / "m.csv",),
        "model": (place / "folder", place / "file", "/etc", "", "/proc/self", "../../.."),
        "out": (place / "folder", "", ".", "/", place / "file/x.csv", "/proc/x.csv", "/sys/x.csv", place / "pipe",
                place / ("n" * 300 + ".csv"), place / "=1.csv"),
    }  # fmt: skip
    lines = [[*design, "--out", out, f"--{option}={value}"] for option, values in options.items() for value in values]
    lines += [["design", task, "--target=1", "--out", out] for task in ("", "../../x", "<b>", "SINEWAVE", "__class__")]
    lines += [[command, "sinewave", file, "--out", out] for command in ("predict", "verify") for file in files]
    lines += [["export", "crystal", place / "ok.csv", "--format", "../x", "--out", place / "x"]]
    dataset = (["--n", "0"], ["--n", "9" * 14], ["--n", "9", "--workers", "-1"], ["--n", "9", "--workers", "9999"],
               ["--n", "9", "--scheduler", "x"], ["--n", "9", "--seed", "-1"])  # fmt: skip
    lines += [["dataset", "ballistics", *more, "--out", place / "d.parquet"] for more in dataset]
    lines += [
        ["dataset", "ballistics", "--n", "9", "--out", where] for where in (out, place / "folder", "/proc/d.parquet")
    ]
    train = (["sinewave", "--epochs", "0"], ["sinewave", "--epochs", "9" * 9], ["sinewave", "--size", "x"], ["nope"],
             ["--model", place / "folder"], ["sinewave", "--resume"],
             ["--data", place / "ok.csv", "--x", '"', "--y", "x1"],
             *(["--data", file, "--x", "x1", "--y", "x2"] for file in files))  # fmt: skip
    lines += [["train", *more, "--out", place / "m"] for more in train]
    benchmark = (["--tasks", "x"], ["--methods", "x"], ["--sampling", "x"], ["--protocol", "x"], ["--repeats", "0"],
                 ["--n", "-1"], ["--only", "x"], ["--models", place / "none"], ["--workers", "-1"],
                 ["--fold"])  # fmt: skip
    lines += [["benchmark", "--quick", "--out", place / "b", *more] for more in benchmark]
    lines += [["benchmark"], ["benchmark", "--report", place / "folder"], [], ["nope"], ["tasks", "extra"]]
    for line in lines:
        one_command(fault, line, place, scratch)
    return [fault]
