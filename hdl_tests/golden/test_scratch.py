"""`golden.ops.scratch`: memory that is used again, per thread and per use."""

from concurrent.futures import ThreadPoolExecutor

import torch

from golden.ops.scratch import converted, scratch


def test_memory_is_used_again_as_long_as_it_suffices() -> None:
    first = scratch(torch.Size([3, 5]), torch.float64, "test").fill_(1)
    again = scratch(torch.Size([30]), torch.float32, "test").fill_(2)
    assert again.data_ptr() == first.data_ptr()
    assert again.shape == (30,)
    more = scratch(torch.Size([31]), torch.float32, "test")
    assert more.data_ptr() != first.data_ptr()


def test_uses_and_threads_do_not_share() -> None:
    here = scratch(torch.Size([8]), torch.float32, "one").fill_(1)
    scratch(torch.Size([8]), torch.float32, "other").fill_(2)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: scratch(torch.Size([8]), torch.float32, "one").fill_(3)).result()
    assert here.tolist() == [1] * 8


def test_conversion_copies_only_another_type() -> None:
    x = torch.arange(-3, 3, dtype=torch.int8).view(2, 3).t()
    wide = converted(x, torch.float64, "test")
    assert wide.dtype == torch.float64
    assert torch.equal(wide, x.double())
    assert converted(wide, torch.float64, "test") is wide
