"""Bit-exactness, cycles and simulation speed of the digits network on every configuration."""

import argparse

from record import OUT, record

from golden.quantize import quantize
from golden.scheme import Scheme
from vitaccel.presets import PRESETS
from vitaccel.sources import load_images, load_network
from vitaccel.timing import Stopwatch
from vitaccel.verify import verify

SCHEMES = {  # preset of the accelerator -> scheme of the network; the large ones take the mixed one
    "demo": "mixed",
    "w8a8": "w8a8",
    "w6a6": "w6a6",
    "w4a8": "w4a8",
    "w4a4": "w4a4",
    "shift": "shift",
    "tiny": "w8a8",
    "mixed-12x24": "mixed",
}
COLUMNS = (
    "configuration", "array", "scheme", "bit-exact", "tensors compared", "cycles per image",
    "MACs useful, %", "simulation, k cycles/s",
)  # fmt: skip


def main() -> None:
    """Run every configuration and record what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    asked = parser.parse_args()
    network = load_network("digits")
    shape = network.layers[0].shape
    calibration = load_images("digits:train", shape, 128).images
    images = load_images("digits", shape, asked.images).images
    rows = []
    for preset, scheme in SCHEMES.items():
        config = PRESETS[preset]
        integers = quantize(network, calibration, Scheme.for_config(scheme, config))
        verdict = verify(integers, config, images, OUT / "models", Stopwatch())
        figures = (preset, f"{config.rows} × {config.columns}", scheme, verdict.bit_exact)
        speed = round(verdict.simulation_hz / 1000)
        useful = round(100 * verdict.mac_utilization, 1)
        more = (verdict.tensors_compared, verdict.cycles_per_image, useful, speed)
        rows.append(dict(zip(COLUMNS, (*figures, *more), strict=True)))
        print(rows[-1], flush=True)
    how = (
        f"`make bench`: {asked.images} held-out digits in RTL, by Verilator under cocotb. "
        "Every intermediate tensor of 4 images and the logits of all are compared with "
        "`golden.execute`."
    )
    record("exact", "Bit-exactness by configuration", how, COLUMNS, rows)


if __name__ == "__main__":
    main()
