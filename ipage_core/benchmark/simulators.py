"""Published design problems with a formula as simulator: the formula generates the table and verifies the designs.

Ranges and constants are those of the sources named beside each problem. x is (n, d) float64, y (n, m).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

RE = "Tanabe and Ishibuchi 2020, doi:10.1016/j.asoc.2020.106078"
DRAWS = 100
"""Number of noise samples whose mean is the truth of a noisy problem."""


@dataclass(frozen=True)
class Problem:
    """A problem: its table and its truth."""

    title: str
    source: str
    rows: int
    x: dict[str, tuple[float, float]]
    """Input column → its range."""
    y: tuple[str, ...]
    """Output columns."""
    simulate: Callable[..., Tensor]
    """x (n, d) → (n, m); with ``noise``, it also takes standard normal numbers (n, 4)."""
    whole: tuple[str, ...] = ()
    """Inputs that are whole numbers."""
    logarithmic: tuple[str, ...] = ()
    """Inputs drawn uniformly in their logarithm."""
    noisy: bool = False

    @property
    def bounds(self) -> Tensor:
        """(2, d)."""
        return torch.tensor(list(self.x.values()), dtype=torch.float64).T

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n, d) designs, uniform over the box."""
        u = torch.rand(n, len(self.x), dtype=torch.float64, generator=generator)
        columns = []
        for name, (low, high), column in zip(self.x, self.x.values(), u.T, strict=True):
            if name in self.whole:
                columns.append(low + (column * (high - low + 1)).floor())
            elif name in self.logarithmic:
                columns.append(low * (high / low) ** column)
            else:
                columns.append(low + column * (high - low))
        return torch.stack(columns, dim=1)

    def measure(self, x: Tensor, generator: Generator) -> Tensor:
        """Measured y of x, with noise if the problem has any. (n, d) → (n, m)."""
        if not self.noisy:
            return self.simulate(x)
        return self.simulate(x, torch.randn(len(x), 4, dtype=torch.float64, generator=generator))

    def truth(self, x: Tensor) -> Tensor:
        """(n, d) → (n, m) without noise; for a noisy problem, the mean of ``DRAWS`` measurements."""
        if not self.noisy:
            return self.simulate(x)
        generator = Generator().manual_seed(54321)
        return torch.stack([self.measure(x, generator) for _ in range(DRAWS)]).mean(0)


def welded_beam(x: Tensor) -> Tensor:
    """Cost [$], shear stress [psi] and buckling load [lb] of a beam welded to a wall (Ragsdell and Phillips 1976)."""
    h, length, t, b = x.T
    load, arm, young, shear = 6000.0, 14.0, 30e6, 12e6
    moment = load * (arm + length / 2)
    radius = ((length / 2).square() + ((h + t) / 2).square()).sqrt()
    polar = 2 * math.sqrt(2) * h * length * (length.square() / 12 + ((h + t) / 2).square())
    first, second = load / (math.sqrt(2) * h * length), moment * radius / polar
    stress = (first.square() + first * second * length / radius + second.square()).sqrt()
    buckling = 4.013 * young * t * b.pow(3) / 6 / arm**2 * (1 - t / (2 * arm) * math.sqrt(young / (4 * shear)))
    return torch.stack((1.10471 * h.square() * length + 0.04811 * t * b * (14 + length), stress, buckling), 1)


def vehicle_safety(x: Tensor) -> Tensor:
    """Mass [kg], acceleration in a crash [m/s²], intrusion of the toe board [m] (Liao et al. 2008)."""
    a, b, c, d, e = x.T
    mass = 1640.2823 + 2.3573285 * a + 2.3220035 * b + 4.5688768 * c + 7.7213633 * d + 4.4559504 * e
    crash = 6.5856 + 1.15 * a - 1.0427 * b + 0.9738 * c + 0.8364 * d - 0.3695 * a * d + 0.0861 * a * e
    crash = crash + 0.3628 * b * d - 0.1106 * a * a - 0.3437 * c * c + 0.1764 * d * d
    toe = -0.0551 + 0.0181 * a + 0.1024 * b + 0.0421 * c - 0.0073 * a * b + 0.024 * b * c - 0.0118 * b * d
    toe = toe - 0.0204 * c * d - 0.008 * c * e - 0.0241 * b * b + 0.0109 * d * d
    return torch.stack((mass, crash, toe), 1)


def water_resources(x: Tensor) -> Tensor:
    """Five costs [$] of draining a catchment, and the excess over seven limits (Musselman and Talavage 1980)."""
    storage, treatment, overflow = x.T
    product = storage * treatment
    costs = (
        106780.37 * (treatment + overflow) + 61704.67,
        3000 * storage,
        305700 * 2289 * treatment / (0.06 * 2289) ** 0.65,
        250 * 2289 * torch.exp(-39.75 * treatment + 9.9 * overflow + 2.74),
        25 * (1.39 / product + 4940 * overflow - 80),
    )
    limits = (
        0.00139 / product + 4.94 * overflow - 0.08 - 1,
        0.000306 / product + 1.082 * overflow - 0.0986 - 1,
        12.307 / product + 49408.24 * overflow + 4051.02 - 50000,
        2.098 / product + 8046.33 * overflow - 696.71 - 16000,
        2.138 / product + 7883.39 * overflow - 705.04 - 10000,
        0.417 * product + 1721.26 * overflow - 136.54 - 2000,
        0.164 / product + 631.13 * overflow - 54.48 - 550,
    )
    return torch.stack((*costs, torch.stack(limits).clamp(min=0).sum(0)), 1)


def pressure_vessel(x: Tensor) -> Tensor:
    """Cost [$] and volume [in³] of a cylinder with round ends; walls in sixteenths of an inch (Sandgren 1990)."""
    shell, head, radius, length = x[:, 0] / 16, x[:, 1] / 16, x[:, 2], x[:, 3]
    cost = 0.6224 * shell * radius * length + 1.7781 * head * radius.square()
    cost = cost + 3.1661 * shell.square() * length + 19.84 * shell.square() * radius
    return torch.stack((cost, math.pi * radius.square() * length + 4 / 3 * math.pi * radius.pow(3)), 1)


def spring(x: Tensor) -> Tensor:
    """Volume of wire [in³] and stiffness [lb/in] of a coil of a whole number of turns (Sandgren 1990)."""
    turns, coil, wire = x.T
    volume = math.pi**2 / 4 * coil * wire.square() * (turns + 2)
    return torch.stack((volume, 11.5e6 * wire.pow(4) / (8 * turns * coil.pow(3))), 1)


def penicillin(x: Tensor) -> Tensor:
    """Penicillin [g/l], CO₂ [mmol/l] and hours of a fed-batch fermentation (Birol et al. 2002; Liang and Lai 2021).

    The time step is one hour. It ends when the vessel is full, the glucose is used up or no more penicillin is made.
    """
    volume, biomass, kelvin, glucose, feed, feed_glucose, ph = x.clone().T
    made, gas, hours = torch.zeros_like(volume), torch.zeros_like(volume), torch.full_like(volume, 2500)
    proton, on = 10**-ph, torch.ones_like(volume, dtype=torch.bool)
    growth = 0.092 / (1 + 1e-10 / proton + proton / 7e-5)
    growth = growth * (7e3 * torch.exp(-5100 / (1.9872 * kelvin)) - 1e33 * torch.exp(-50000 / (1.9872 * kelvin)))
    lost = 2.5e-4 * (torch.exp(5 * (kelvin - 373) / (273 - 373)) - 1)
    for hour in range(1, 2501):
        dilution = (feed - volume * lost) / volume
        rate = growth * glucose / (0.15 * biomass + glucose)
        making = 0.005 * glucose / (2e-4 + glucose + glucose.square() / 0.1) * biomass
        new_made = making - 0.04 * made - made * dilution
        new_biomass = rate * biomass - biomass * dilution
        new_glucose = -rate * biomass / 0.45 - making / 0.9 - 0.014 * biomass
        new_glucose = new_glucose + feed * feed_glucose / volume - glucose * dilution
        new_gas = 0.143 * new_biomass + 4e-7 * biomass + 1e-4
        made, gas = torch.where(on, made + new_made, made), torch.where(on, gas + new_gas, gas)
        volume = torch.where(on, volume * (1 + dilution), volume)
        biomass = torch.where(on, biomass + new_biomass, biomass)
        glucose = torch.where(on, glucose + new_glucose, glucose)
        over = on & ((volume > 180) | (glucose < 0) | (new_made < 1e-11))
        hours = torch.where(over, float(hour), hours)
        on = on & ~over
        if not on.any():
            break
    return torch.stack((made, gas, hours), 1)


def thin_films(x: Tensor) -> Tensor:
    """Reflectance at 256 wavelengths, 400 to 800 nm, of five films on glass at normal incidence (Abelès 1950).

    By characteristic matrices (Born and Wolf, *Principles of Optics*, 1.6); films of n = 2.4 and 1.46 in turn on 1.52.
    """
    wavelength = torch.linspace(400, 800, 256, dtype=x.dtype)
    b, c = torch.ones(len(x), 256, dtype=torch.complex128), torch.full((len(x), 256), 1.52, dtype=torch.complex128)
    for thickness, n in zip(x.T.flip(0), (2.4, 1.46, 2.4, 1.46, 2.4), strict=True):
        phase = 2 * math.pi * n * thickness[:, None] / wavelength
        b, c = phase.cos() * b + 1j / n * phase.sin() * c, 1j * n * phase.sin() * b + phase.cos() * c
    return ((b - c) / (b + c)).abs().square()


def solar_cell(x: Tensor) -> Tensor:
    """Short-circuit current [mA], open-circuit voltage [V] and greatest power [mW] of one diode (De Soto et al. 2006).

    With the diode's voltage v as the parameter: I = I_L − I₀(exp(v/nV_T) − 1) − v/R_sh, V = v − I·R_s.
    """
    light, dark, series, shunt, ideality = x[:, 0], x[:, 1], x[:, 2], x[:, 3], x[:, 4]
    thermal = ideality * 0.025693  # V at 298.15 K

    def current(v: Tensor) -> Tensor:
        return light - 1e3 * dark * (torch.exp(v / thermal) - 1) - 1e3 * v / shunt

    def voltage(v: Tensor) -> Tensor:
        return v - 1e-3 * current(v) * series

    def root(of: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
        for _ in range(80):
            middle = (low + high) / 2
            low, high = torch.where(of(middle) < 0, middle, low), torch.where(of(middle) < 0, high, middle)
        return (low + high) / 2

    top = thermal * torch.log1p(1e-3 * light / dark)
    short, opened = root(voltage, torch.zeros_like(top), top), root(lambda v: -current(v), torch.zeros_like(top), top)
    low, high = short, opened
    for _ in range(200):  # the power has one maximum
        a, b = low + (high - low) / 3, high - (high - low) / 3
        rising = current(a) * voltage(a) < current(b) * voltage(b)
        low, high = torch.where(rising, a, low), torch.where(rising, high, b)
    best = (low + high) / 2
    return torch.stack((current(short), opened, current(best) * voltage(best)), 1)


def car_cab(x: Tensor, noise: Tensor) -> Tensor:
    """Weight and eight loads of a side impact, with four random inputs (Deb et al. 2009; RE9-7-1)."""
    a, b, c, d, e, f, g = x.T
    h, i, j, k = (noise * torch.tensor([0.006, 0.006, 10, 10]) + torch.tensor([0.345, 0.192, 0, 0])).T
    thorax = 28.98 + 3.818 * c - 4.2 * a * b + 0.0207 * e * j + 6.63 * f * i - 7.77 * g * h + 0.32 * i * j
    middle = 33.86 + 2.95 * c + 0.1792 * j - 5.057 * a * b - 11 * b * h - 0.0215 * e * j - 9.98 * g * h + 22 * h * i
    lower = 46.36 - 9.9 * b - 12.9 * a * h + 0.1107 * c * j
    upper_viscous = 0.261 - 0.0159 * a * b - 0.188 * a * h - 0.019 * b * g + 0.0144 * c * e + 0.87570001 * e * j
    upper_viscous = upper_viscous + 0.08045 * f * i + 0.00139 * h * k + 0.00001575 * j * k
    viscous = 0.214 + 0.00817 * e - 0.131 * a * h - 0.0704 * a * i + 0.03099 * b * f - 0.018 * b * g + 0.0208 * c * h
    viscous = viscous + 0.121 * c * i - 0.00364 * e * f + 0.0007715 * e * j - 0.0005354 * f * j + 0.00121 * h * k
    viscous = viscous + 0.00184 * i * j - 0.018 * b * b
    lower_viscous = 0.74 - 0.61 * b - 0.163 * c * h + 0.001232 * c * j - 0.166 * g * i + 0.227 * b * b
    pubic = 4.72 - 0.5 * d - 0.19 * b * c - 0.0122 * d * j + 0.009325 * f * j + 0.000191 * k * k
    pillar = 10.58 - 0.674 * a * b - 1.95 * b * h + 0.02054 * c * j - 0.0198 * d * j + 0.028 * f * j
    door = 16.45 - 0.489 * c * g - 0.843 * e * f + 0.0432 * i * j - 0.0556 * i * k - 0.000786 * k * k
    loads = (
        (1.16 - 0.3717 * b * d - 0.00931 * b * j - 0.484 * c * i + 0.01343 * f * j),
        upper_viscous / 0.32,
        viscous / 0.32,
        lower_viscous / 0.32,
        (thorax + middle + lower) / 3 / 32,
        pubic / 4,
        pillar / 9.9,
        door / 15.7,
    )
    weight = 1.98 + 4.9 * a + 6.67 * b + 6.98 * c + 4.01 * d + 1.75 * e + 0.00001 * f + 2.73 * g
    return torch.stack((weight, *(load.clamp(min=0) for load in loads)), 1)


PROBLEMS: dict[str, Problem] = {
    "welded-beam": Problem(
        "Welded beam",
        "Ragsdell and Phillips 1976, doi:10.1115/1.3438995; ranges as used there, narrowed",
        1000,
        {"weld [in]": (0.125, 2), "length [in]": (1, 10), "height [in]": (2, 10), "width [in]": (0.125, 2)},
        ("cost [$]", "shear stress [psi]", "buckling load [lb]"),
        welded_beam,
    ),
    "vehicle": Problem(
        "Vehicle safety",
        f"Liao et al. 2008, doi:10.1007/s00158-007-0163-x; RE3-5-4 of {RE}",
        1000,
        {f"t{j} [mm]": (1, 3) for j in range(1, 6)},
        ("mass [kg]", "acceleration [m/s2]", "intrusion [m]"),
        vehicle_safety,
    ),
    "water": Problem(
        "Water resources",
        f"Musselman and Talavage 1980, doi:10.1287/opre.28.6.1424; RE6-3-1 of {RE}",
        1000,
        {"storage": (0.01, 0.45), "treatment": (0.01, 0.1), "overflow": (0.01, 0.1)},
        ("drainage", "storage cost", "treatment cost", "flood damage", "economic loss", "excess"),
        water_resources,
    ),
    "vessel": Problem(
        "Pressure vessel",
        f"Sandgren 1990, doi:10.1115/1.2912596; ranges of RE2-4-3 of {RE}",
        400,
        {"shell [1/16 in]": (1, 100), "head [1/16 in]": (1, 100), "radius [in]": (10, 200), "length [in]": (10, 240)},
        ("cost [$]", "volume [in3]"),
        pressure_vessel,
        whole=("shell [1/16 in]", "head [1/16 in]"),
    ),
    "spring": Problem(
        "Coil spring of whole turns",
        f"Sandgren 1990, doi:10.1115/1.2912596; RE2-3-5 of {RE}, its wire from 0.2 in",
        400,
        {"turns": (1, 20), "coil [in]": (1, 3), "wire [in]": (0.2, 0.5)},
        ("volume [in3]", "stiffness [lb/in]"),
        spring,
        whole=("turns",),
    ),
    "penicillin": Problem(
        "Penicillin",
        "Birol et al. 2002, doi:10.1016/S0098-1354(02)00127-8; simpler by Liang and Lai 2021, NeurIPS AI for Science",
        500,
        {
            "volume [l]": (60, 120), "biomass [g/l]": (0.05, 18), "temperature [K]": (293, 303),
            "glucose [g/l]": (0.05, 18), "feed [l/h]": (0.01, 0.5), "feed glucose [g/l]": (500, 700), "pH": (5, 6.5),
        },
        ("penicillin [g/l]", "CO2 [mmol/l]", "time [h]"),
        penicillin,
    ),
    "films": Problem(
        "Thin films",
        "Abelès 1950, doi:10.1051/anphys/195012050596; Born and Wolf, Principles of Optics, 1.6",
        4000,
        {f"film {j} [nm]": (20, 100) for j in range(1, 6)},
        tuple(f"R{j}" for j in range(1, 257)),
        thin_films,
    ),
    "solar": Problem(
        "Solar cell",
        "De Soto et al. 2006, doi:10.1016/j.solener.2005.06.010",
        1000,
        {
            "light current [mA]": (20, 45), "dark current [A]": (1e-12, 1e-7), "series [ohm]": (0.1, 3),
            "shunt [ohm]": (100, 10_000), "ideality": (1, 2),
        },
        ("short circuit [mA]", "open circuit [V]", "power [mW]"),
        solar_cell,
        logarithmic=("dark current [A]", "shunt [ohm]"),
    ),
    "car-cab": Problem(
        "Car cab, noisy",
        f"Deb et al. 2009, doi:10.1109/TEVC.2009.2014361; RE9-7-1 of {RE}",
        1000,
        {
            "x1": (0.5, 1.5), "x2": (0.45, 1.35), "x3": (0.5, 1.5), "x4": (0.5, 1.5), "x5": (0.875, 2.625),
            "x6": (0.4, 1.2), "x7": (0.4, 1.2),
        },
        ("weight", "abdomen", "upper VC", "middle VC", "lower VC", "ribs", "pubic", "pillar", "door"),
        car_cab,
        noisy=True,
    ),
}  # fmt: skip
