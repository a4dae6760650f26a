"""Learn: inverse design in ten steps, each with a live figure."""

from app.components.look import is_dark, size_name
from app.figures.playback import Size
from app.lessons import tour as learn

learn.show(is_dark(), Size(size_name()))
