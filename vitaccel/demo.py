"""The main job: a shipped network, from float checkpoint to bit-exact RTL."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from golden.evaluate import accuracy, run_float
from golden.execute import execute
from golden.quantize import quantize
from golden.scheme import Scheme
from golden.storage import save
from vitaccel.compile import compile_network
from vitaccel.config import AcceleratorConfig
from vitaccel.demo_networks import demo_images
from vitaccel.files import write_files
from vitaccel.flow.report import write_report
from vitaccel.generate import generate
from vitaccel.sources import Images, load_network
from vitaccel.timing import Stopwatch
from vitaccel.verify import Verdict, verify

__all__ = ["demo"]


def demo(
    model: str,
    config: AcceleratorConfig,
    scheme: str,
    n_images: int,
    folder: Path,
    watch: Stopwatch,
    images: Path | None = None,
) -> tuple[dict[str, Any], Verdict]:
    """Quantise, compile, generate, simulate, compare, report.

    Parameters
    ----------
    model
        Of a `Demo`.
    n_images
        Held-out images to run in RTL, 2 to 360.
    images
        Folder with images, see `demo_images`. Without labels, accuracy is the share of images of
        the class that the float network says.
    folder
        Receives Verilog, sidecar, ``network/``, ``program.*``, ``summary.json``, ``report.html``.

    Returns
    -------
    tuple
        The summary that was written, and the verdict it comes from.
    """
    with watch("float"):
        network = load_network(model)
        calibration, test = demo_images(network, images)
        floats = run_float(network, test.images)[network.layers[-1].name]
        labelled = test.labels is not None
        if not labelled:
            test = test._replace(labels=floats.reshape(len(floats), -1).argmax(-1))
    with watch("quantize"):
        chosen = Scheme.for_config(scheme, config)
        integers = quantize(
            network, calibration, chosen, lambda done, total: watch.tell(done / total)
        )
        save(integers, folder / "network")
    with watch("generate"):
        generate(config, folder)
        compile_network(integers, config).save(folder)
    verdict = verify(integers, config, test.images[:n_images], folder.parent / "models", watch)
    golden = execute(integers, test.images, keep=False)[integers.layers[-1].name]
    rtl = torch.from_numpy(verdict.logits)
    summary = {
        "network": integers.name,
        "scheme": scheme,
        **verdict.summary(),
        "accuracy": _accuracies(test, n_images, float=floats, golden=golden, rtl=rtl),
        "accuracy_held_out": _accuracies(test, len(test.images), float=floats, golden=golden),
        "held_out_images": len(test.images),
        "labelled": labelled,
        "config": config.model_dump(),
        "config_digest": config.digest(),
        "seconds": {name: round(value, 2) for name, value in watch.seconds.items()},
    }
    write_files(folder, {"summary.json": json.dumps(summary, indent=1)})
    write_report(folder, summary, verdict.profile, verdict.timeline, verdict.tensors)
    return summary, verdict


def _accuracies(test: Images, n_images: int, **logits: Tensor) -> dict[str, float]:
    assert test.labels is not None
    labels = test.labels[:n_images]
    return {
        name: round(accuracy(x.reshape(len(x), -1)[:n_images].float(), labels), 4)
        for name, x in logits.items()
    }
