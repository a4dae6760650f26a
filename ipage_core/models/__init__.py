"""The networks, by name. Each is built from its JSON-able arguments alone: ``MODELS[name](**arguments)``."""

from ipage_core.models.bands import BandSurrogate
from ipage_core.models.cell_modulus import CellSurrogate
from ipage_core.models.cinn import CINN
from ipage_core.models.cvae import CVAE
from ipage_core.models.ensemble import Ensemble
from ipage_core.models.inn import INN
from ipage_core.models.mdn import MDN
from ipage_core.models.mlp import MLP
from ipage_core.models.na import BatchNormMLP
from ipage_core.models.pixel_cinn import PixelCINN
from ipage_core.models.pixel_cnn import PixelCNN
from ipage_core.models.pixel_cvae import PixelCVAE
from ipage_core.models.pixel_inn import PixelINN
from ipage_core.models.pixel_mdn import PixelMDN

Model = (
    INN | CINN | MLP | Ensemble | BandSurrogate | CellSurrogate | PixelINN | MDN | CVAE | BatchNormMLP
    | PixelCINN | PixelMDN | PixelCVAE | PixelCNN
)  # fmt: skip

MODELS: dict[str, type[Model]] = {
    "inn": INN,
    "cinn": CINN,
    "mlp": MLP,
    "ensemble": Ensemble,
    "bands": BandSurrogate,
    "cells": CellSurrogate,
    "pixel-inn": PixelINN,
    "mdn": MDN,
    "cvae": CVAE,
    "batch-norm-mlp": BatchNormMLP,
    "pixel-cinn": PixelCINN,
    "pixel-mdn": PixelMDN,
    "pixel-cvae": PixelCVAE,
    "pixel-cnn": PixelCNN,
}
