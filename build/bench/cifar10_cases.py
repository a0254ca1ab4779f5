"""The small EfficientViT as the benchmarks quantise it: schemes, accelerators, images."""

from typing import NamedTuple

import torch

from golden.network import Network
from golden.qnetwork import QNetwork
from golden.quantize import quantize
from golden.scheme import Scheme
from vitaccel.config import AcceleratorConfig
from vitaccel.presets import PRESETS
from vitaccel.sources import load_images

__all__ = ["CASES", "MODEL", "Case", "integers"]

MODEL = "cifar10"
CALIBRATION = 64  # training images


class Case(NamedTuple):
    """Scheme, and the accelerator that it is for."""

    scheme: str
    config: AcceleratorConfig


MIXED = PRESETS["efficientvit"]
UNIFORM = MIXED.replace(columns=MIXED.columns - MIXED.pot_columns, pot_columns=0)
CASES = {
    "naive per-tensor W8A8": Case("naive", UNIFORM.replace(division="reciprocal")),
    "Trio-ViT": Case("trio", UNIFORM),
    "M2Q": Case("m2q", MIXED),
    "M2Q, shift-only": Case("m2q", MIXED.replace(requant="shift")),
}


def integers(network: Network, case: Case, folder: str) -> QNetwork:
    """Quantise with training images of ``folder``."""
    images = load_images(folder, network.layers[0].shape, CALIBRATION).images
    with torch.no_grad():
        return quantize(network, images, Scheme.for_config(case.scheme, case.config))
