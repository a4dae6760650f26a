"""Networks that read or write cells of 32×32 pixels."""

from ipage_core.tasks.cells.networks.cell_modulus import CellSurrogate
from ipage_core.tasks.cells.networks.pixel_cinn import PixelCINN
from ipage_core.tasks.cells.networks.pixel_cnn import PixelCNN
from ipage_core.tasks.cells.networks.pixel_cvae import PixelCVAE
from ipage_core.tasks.cells.networks.pixel_inn import PixelINN
from ipage_core.tasks.cells.networks.pixel_mdn import PixelMDN

NETWORKS: dict[str, type] = {
    "cells": CellSurrogate,
    "pixel-inn": PixelINN,
    "pixel-cinn": PixelCINN,
    "pixel-mdn": PixelMDN,
    "pixel-cvae": PixelCVAE,
    "pixel-cnn": PixelCNN,
}
