"""The commands of the golden net, in the order in which they run in one folder."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd

_LINES = """
tasks: tasks --json
tasks as text: tasks
design sinewave: design sinewave --target 1.2 --n 25 --out s.csv
design sinewave srs: design sinewave --target 1.2 --n 25 --sampling srs --seed 3 --out o.csv
design sinewave lhs: design sinewave --target=-1.5 --n 25 --sampling lhs --seed 4 --out o.csv
design sinewave mlp: design sinewave --target 0.4 --n 25 --method ipage-mlp --out o.csv
design sinewave cinn: design sinewave --target 1.2 --n 25 --method cinn --sampling srs --out o.csv
design sinewave ipage-cinn: design sinewave --target 1.2 --n 25 --method ipage-cinn --out o.csv
design sinewave na: design sinewave --target 1.2 --n 10 --method na --out o.csv
design sinewave mdn: design sinewave --target 1.2 --n 10 --method mdn --out o.csv
design sinewave cvae: design sinewave --target 1.2 --n 10 --method cvae --out o.csv
design sinewave prior-lm: design sinewave --target 1.2 --n 10 --method prior-lm --out o.csv
design sinewave adam: design sinewave --target 1.2 --n 10 --optimizer adam --steps 40 --out o.csv
design sinewave gd: design sinewave --target 1.2 --n 10 --optimizer gd --steps 40 --verify 5 --out o.csv
design sinewave targets: design sinewave --targets targets.csv --n 4 --out o.csv
design sinewave seed design: design sinewave --target 1.2 --n 20 --seed-design start.csv --out o.csv
design sinewave interval: design sinewave --target 0.4:0.6 --n 20 --constrain 'x1=x2; x1<=0.8' --out o.csv
design sinewave beyond: design sinewave --target 5 --n 5 --out o.csv
design arm: design robotic_arm --target 1.5,0 --n 25 --omega-evals 2 --constrain 'x2=x3; x1<=0.2' --out o.csv
design arm kruse: design robotic_arm_kruse --target 1.5,0 --n 25 --out o.csv
design arm interval: design robotic_arm --target 1.4:1.6,0 --n 20 --method ipage-mlp --out o.csv
design ballistics: design ballistics --target 4:6 --n 25 --constrain 'x2>=1.2' --out o.csv
design ballistics least: design ballistics --target 5: --n 25 --omega-evals 1 --seed 2 --out o.csv
design crystal: design crystal --target 0.5 --n 25 --verify none --out c.csv
design crystal substrate: design crystal --target 0.5 --n 20 --verify none --constrain 'a=b; substrate=LSAT' --out o.csv
design crystal families: design crystal --target 1.0 --n 60 --verify none --constrain substrate=LSAT --out t.csv
design crystal strain: design crystal --target 0.8: --n 10 --constrain 'strain<=3%; angles=90' --verify none --out o.csv
design architecture: design architecture --target 1.0 --n 4 --sampling srs --out a.csv
design architecture group: design architecture --target 1.0 --n 4 --constrain group=p4m --finish --out o.csv
design architecture volume: design architecture --target 0.5 --n 3 --constrain 'volume<=0.6' --verify none --out o.csv
predict sinewave: predict sinewave s.csv --out o.csv
predict crystal: predict crystal c.csv --method ipage-mlp --out o.csv
predict architecture: predict architecture a.csv --out o.csv
verify sinewave: verify sinewave s.csv --out o.csv
verify architecture: verify architecture a.csv --out o.csv
export crystal cif: export crystal c.csv --format cif --out cif
export crystal poscar: export crystal c.csv --format poscar --out poscar
export crystal extxyz: export crystal c.csv --format extxyz --out extxyz
export architecture svg: export architecture a.csv --format svg --out svg
export architecture stl: export architecture a.csv --format stl --out stl
export architecture dxf: export architecture a.csv --format dxf --out dxf
rank energy: rank c.csv --by energy --out o.csv
rank families: rank t.csv --by robustness --out o.csv
rank best: rank t.csv --by cubic --best-only --out o.csv
dataset sinewave: dataset sinewave --n 30 --workers 0 --out d.parquet
dataset architecture: dataset architecture --n 4 --workers 0 --out e.parquet
train own data: train gaps --data gaps.csv --x a,b,angle --y gap --units a=Å,gap=eV --epochs 4 --size small --out own
design own data: design --model own --target 1.0 --n 20 --to-measure m.csv --measure 5 --device cpu --out w.csv
design own data tied: design --model own --target 0.8: --n 10 --constrain 'angle=90; a<=3.8' --out o.csv
predict own data: predict --model own rows.csv --out o.csv
train own data again: train --model own --add more.csv --epochs 2 --size small
train sinewave: train sinewave --method prior-lm --epochs 2 --size small --out net
design sinewave own net: design sinewave --model net --method prior-lm --target 1.2 --n 10 --out o.csv
benchmark: benchmark --out b --tasks sinewave --methods inn,ipage,prior-lm --repeats 2 --n 20 --only tables --workers 0
"""

_BAD = """
fly
design sinewave --out z.csv
design sine --target 1 --out z.csv
design sinewave --target one --out z.csv
design sinewave --target 1,2 --out z.csv
design sinewave --target nan --out z.csv
design sinewave --target 2:1 --out z.csv
design sinewave --target 1 --n 0 --out z.csv
design sinewave --target 1 --n 100001 --out z.csv
design sinewave --target 1 --seed -1 --out z.csv
design sinewave --target 1 --sampling sobol --out z.csv
design sinewave --target 1 --method magic --out z.csv
design sinewave --target 1 --verify maybe --out z.csv
design sinewave --target 1 --device tpu --out z.csv
design sinewave --target 1 --steps 0 --out z.csv
design sinewave --target 1 --bananas --out z.csv
design sinewave --target 1 --constrain bananas --out z.csv
design sinewave --target 1 --constrain x1=7 --out z.csv
design sinewave --target 1 --method inn --omega-evals 1 --out z.csv
design sinewave --target 1 --to-measure z.csv --out z.csv
design sinewave --targets missing.csv --out z.csv
design sinewave --target 1 --seed-design targets.csv --out z.csv
design sinewave --target 1 --model missing --out z.csv
design crystal --target 0.5 --constrain substrate=Cu --verify none --out z.csv
design architecture --target 1 --constrain group=p7 --out z.csv
verify sinewave missing.csv --out z.csv
verify sinewave targets.csv --out z.csv
predict sinewave s.csv --method cinn --out z.csv
export sinewave s.csv --format cif --out z
export crystal c.csv --format pdf --out z
rank targets.csv --out z.csv
train sinewave --method nonsense --out z
train sinewave --resume --out z
train --data gaps.csv --out z
train --data gaps.csv --x a --y nothing --out z
dataset bridge --n 5 --out z.parquet
dataset sinewave --n 5 --out z.csv
dataset architecture --n 6 --scheduler banana --out z.parquet
benchmark --out z --tasks nothing
"""

COMMANDS = {name: shlex.split(rest) for name, _, rest in (line.partition(": ") for line in _LINES.split("\n") if line)}
"""What runs, by its name. ``rank`` is a module of its own in older trees."""
BAD = {f"bad {line}": shlex.split(line) for line in _BAD.split("\n") if line}
"""What is refused: exit code 2 and one line."""
READ = (
    *("design sinewave", "design crystal", "design crystal families", "design architecture"),
    *("train own data", "train sinewave"),
)
"""Commands whose files others read: they run for these, too."""


def inputs(folder: Path) -> None:
    """The files that commands read."""
    pd.DataFrame({"y1": [0.5, 1.0, -1.5]}).to_csv(folder / "targets.csv", index=False)
    pd.DataFrame({"x1": [0.3], "x2": [-0.6]}).to_csv(folder / "start.csv", index=False)
    rng = np.random.default_rng(0)
    a, b, angle = rng.uniform(3, 4, 300), rng.normal(0, 1, 300), rng.choice([80.0, 90.0, 95.0], 300)
    gap = np.maximum(0, 2 * (a - 3.4) + 0.3 * b - 0.01 * np.abs(angle - 90))
    gaps = pd.DataFrame({"a": a, "b": b, "angle": angle, "gap": gap})
    gaps[:240].to_csv(folder / "gaps.csv", index=False)
    gaps[240:].to_csv(folder / "more.csv", index=False)
    gaps[:20].rename(columns={"a": "x1", "b": "x2", "angle": "x3"}).to_csv(folder / "rows.csv", index=False)
