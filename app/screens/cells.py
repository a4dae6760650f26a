"""Cells: design for several properties at once."""

from app.tasks.cells.goals.page import show

show()
