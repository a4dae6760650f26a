"""The networks, by name. Each is built from its JSON-able arguments alone: ``MODELS[name](**arguments)``."""

from ipage_core.models.bands import BandSurrogate
from ipage_core.models.cinn import CINN
from ipage_core.models.inn import INN
from ipage_core.models.mlp import MLP

Model = INN | CINN | MLP | BandSurrogate

MODELS: dict[str, type[INN] | type[CINN] | type[MLP] | type[BandSurrogate]] = {
    "inn": INN,
    "cinn": CINN,
    "mlp": MLP,
    "bands": BandSurrogate,
}
