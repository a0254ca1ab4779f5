"""Pixels that the host lays out side by side for a first convolution."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hdl_tests.harness.hybrids import random_hybrid
from vitaccel import isa
from vitaccel.compile import compile_network
from vitaccel.compile.program import Program
from vitaccel.compile.unfold import QWindows, unfolded
from vitaccel.compile.window import Window
from vitaccel.config import AcceleratorConfig

CONFIG = AcceleratorConfig(
    rows=16, columns=16, hybrid=True, accumulator_rows=32, activation_words=2048, table_slots=8,
    post_words=512, vector_words=64, row_words=32, weight_words=4096,
)  # fmt: skip


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 1), (3, 1, 0), (5, 2, 2)])
def test_windows_are_those_of_a_convolution(kernel: int, stride: int, padding: int) -> None:
    images = torch.randint(-128, 128, (2, 3, 8, 7), generator=torch.Generator().manual_seed(0))
    pad = (5, -6, 7)
    edges = torch.tensor(pad).view(1, 3, 1, 1).expand(2, 3, 8 + 2 * padding, 7 + 2 * padding)
    edges = edges.clone()
    edges[:, :, padding : padding + 8, padding : padding + 7] = images
    want = torch.nn.functional.unfold(edges.double(), kernel, stride=stride)
    want = want.unflatten(1, (3, -1)).permute(0, 3, 2, 1).flatten(2).flatten(0, 1)
    window = Window(kernel, stride, padding, 8, 7, pad)
    got = window.unfold(images.flatten(2).transpose(1, 2).flatten(0, 1).numpy())
    np.testing.assert_array_equal(got, want.numpy().astype(np.int64))
    assert len(got) == 2 * window.down * window.across


def test_a_window_of_three_channels_takes_two_words(tmp_path: Path) -> None:
    program = compile_network(random_hybrid(side=12, width=32, heads=2), CONFIG)
    stem = [s.fields for s in program.main_steps() if s.op == isa.Op.GEMM and s.layer == "stem"]
    assert {fields["k_tiles"] for fields in stem} == {2}
    assert sum(fields["n_rows"] for fields in stem) == 6 * 7
    window = program.input.window
    assert window is not None
    assert window == Window(3, 2, 1, 12, 13, window.pad)
    program.save(tmp_path)
    assert Program.load(tmp_path) == program


def test_pixels_stay_where_windows_take_more_words() -> None:
    """On words of 4 lanes a window has 7, four pixels have 4."""
    network = random_hybrid(side=12, width=32, heads=2)
    kinds = {rows: {type(x) for x in unfolded(network, rows).layers} for rows in (4, 16)}
    assert QWindows not in kinds[4]
    assert QWindows in kinds[16]


def test_pixels_that_nobody_reads_stay() -> None:
    network = random_hybrid(side=12)
    alone = replace(network, layers=network.layers[:2])
    assert unfolded(alone, 16).layers == alone.layers
