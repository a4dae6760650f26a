"""Benchmark: the paper's tables and figures beside what this program reaches."""

from app.components.look import is_dark
from app.results import page as benchmark

benchmark.show(is_dark())
