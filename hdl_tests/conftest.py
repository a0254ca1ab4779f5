"""For every test: the same random numbers, in any order of tests and on any worker."""

import random

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    torch.manual_seed(0)
