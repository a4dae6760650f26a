"""The paper's Figures 1 to 7 and further ones, from the benchmark's data frames: plain plotly dicts.

Nothing here imports Streamlit: the report on the command line draws the same figures. ``grid`` holds panels and
traces, ``naming`` the names of methods; each other module draws the benchmark section of its name.
"""

from app.figures.benchmark.ablation import ablation
from app.figures.benchmark.calibration import calibration
from app.figures.benchmark.compute import budget, times
from app.figures.benchmark.coverage import coverage
from app.figures.benchmark.exploration import designs, gallery, one_to_many, recall, way
from app.figures.benchmark.naming import NAMES, SAMPLINGS, counted, short
from app.figures.benchmark.solutions import achieved, table

__all__ = [
    "NAMES",
    "SAMPLINGS",
    "ablation",
    "achieved",
    "budget",
    "calibration",
    "counted",
    "coverage",
    "designs",
    "gallery",
    "one_to_many",
    "recall",
    "short",
    "table",
    "times",
    "way",
]
