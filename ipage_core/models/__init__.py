"""The networks, by name. Each is built from its JSON-able arguments alone: ``MODELS[name](**arguments)``."""

from ipage_core.models.bands import BandSurrogate
from ipage_core.models.cell_modulus import CellSurrogate
from ipage_core.models.cinn import CINN
from ipage_core.models.inn import INN
from ipage_core.models.mlp import MLP
from ipage_core.models.pixel_inn import PixelINN

Model = INN | CINN | MLP | BandSurrogate | CellSurrogate | PixelINN

MODELS: dict[str, type[Model]] = {
    "inn": INN,
    "cinn": CINN,
    "mlp": MLP,
    "bands": BandSurrogate,
    "cells": CellSurrogate,
    "pixel-inn": PixelINN,
}
