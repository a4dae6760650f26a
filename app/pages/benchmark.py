"""Benchmark: the paper's tables and figures beside what this program reaches."""

from app.look import is_dark
from app.views import benchmark

benchmark.show(is_dark())
