"""HTML from the templates in this folder. What is put into them is escaped, unless it is HTML already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def render(name: str, **values: Any) -> Markup:
    """The template ``name``.html with these values."""
    return Markup(_TEMPLATES.get_template(f"{name}.html").render(values))
