"""Accuracy of float and quantised digits on the held-out images, by scheme."""

from record import record

from golden.evaluate import accuracy, run_float
from golden.execute import execute
from golden.quantize import quantize
from golden.scheme import SCHEMES
from vitaccel.sources import load_images, load_network

CALIBRATION = 128
COLUMNS = ("scheme", "weights", "activations", "attention", "accuracy, %", "loss, points")


def main() -> None:
    """Quantise with every scheme and record its accuracy."""
    network = load_network("digits")
    shape = network.layers[0].shape
    calibration = load_images("digits:train", shape, CALIBRATION).images
    test = load_images("digits", shape)
    assert test.labels is not None  # the digits have them
    last = network.layers[-1].name
    exact = 100 * accuracy(run_float(network, test.images)[last], test.labels)
    rows = [
        dict(zip(COLUMNS, ("float", "32 bit", "32 bit", "", f"{exact:.2f}", None), strict=True))
    ]
    for name, scheme in SCHEMES.items():
        integers = quantize(network, calibration, scheme)
        reached = 100 * accuracy(
            execute(integers, test.images, keep=False)[integers.layers[-1].name], test.labels
        )
        weights = f"{scheme.weight_bits} bit"
        if scheme.pot_groups:
            weights += f", {scheme.pot_groups} of {scheme.groups} filters {scheme.pot_bits} bit PoT"
        activations = f"{scheme.activation_bits} bit"
        figures = (name, weights, activations, scheme.attention, f"{reached:.2f}")
        rows.append(dict(zip(COLUMNS, (*figures, f"{exact - reached:.2f}"), strict=True)))
        print(rows[-1], flush=True)
    how = (
        f"`make bench`: {len(test.images)} held-out images, of which one is "
        f"{100 / len(test.images):.2f} points; {CALIBRATION} training images calibrate."
    )
    record("accuracy", "Accuracy by scheme", how, COLUMNS, rows)


if __name__ == "__main__":
    main()
