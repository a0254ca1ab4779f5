import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from golden.models import Architecture, VisionTransformer
from hdl_tests.harness.vits import DIM, make
from vitaccel.errors import ConfigError
from vitaccel.frontend import Finding, check, from_module, from_pt2

ARCH = Architecture(image_size=8, channels=1, patch_size=4, dim=16, depth=2, heads=2, classes=3)
IMAGES = torch.rand(2, 1, 8, 8)


def vit() -> Any:
    torch.manual_seed(0)
    return VisionTransformer(ARCH).eval()


def with_head(forward: Callable[[VisionTransformer, Tensor], Tensor]) -> nn.Module:
    """The model with another last step; ``forward`` gets the normalised tokens."""

    class Changed(VisionTransformer):
        def forward(self, x: Tensor) -> Tensor:
            x = self.patch_embed(x)
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
            return forward(self, self.norm(self.blocks(x)))

    torch.manual_seed(0)
    return Changed(ARCH).eval()


class Gate(nn.Module):
    """Activations that vitaccel has no hardware for."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(x) * torch.sigmoid(x)  # the line that the findings name


def line_of(text: str) -> str:
    lines = Path(__file__).read_text().splitlines()
    return f"{__file__}:{next(i for i, line in enumerate(lines, 1) if text in line)}"


def test_every_unsupported_operator_is_listed_with_its_place() -> None:
    model = vit()
    for block in model.blocks:
        block.mlp.act = Gate()
    source = line_of("the line that the " + "findings name")
    expected = [
        (op, f"blocks.{i}.mlp.act", source)
        for i in range(2)
        for op in ("aten.silu.default", "aten.sigmoid.default", "aten.mul.Tensor")
    ]
    findings = check(model, IMAGES)
    assert [(f.operator, f.module, f.source) for f in findings] == expected
    assert findings[0].reason == "this operator is not supported"
    message = (
        f"aten.silu.default in blocks.0.mlp.act ({source}): this operator is not supported; "
        f"and 5 more, which `vitaccel check` lists"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        from_module(model, IMAGES)


def test_check_of_a_file_takes_less_than_a_second(tmp_path: Path) -> None:
    model = make("timm-sdpa")[0]
    model.blocks[1].mlp.act = nn.SiLU()
    program = torch.export.export(model, (torch.rand(1, 3, 16, 16),))
    torch.export.save(program, tmp_path / "vit.pt2")
    check(tmp_path / "vit.pt2")  # PyTorch's own first-time set-up
    start = time.process_time()
    (finding,) = check(str(tmp_path / "vit.pt2"))
    assert time.process_time() - start < 1
    assert (finding.operator, finding.module) == ("aten.silu.default", "blocks.1.mlp.act")
    with pytest.raises(
        ConfigError, match=r"^aten.silu.default in blocks.1.mlp.act \(/.*\.py:\d+\)"
    ):
        from_pt2(tmp_path / "vit.pt2")


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (
            lambda self, x: self.head(x.mean(dim=(1, 2), keepdim=True).expand(-1, 1, 16)[:, 0]),
            "aten.mean.dim (PLACE): a mean must go over all pixels or tokens, not over channels",
        ),
        (
            lambda self, x: self.head(x),
            "output: the output must be a linear layer on the class token, not Linear [5, 3]",
        ),
        (
            lambda self, x: x[:, 0],
            "output: the output must be a linear layer on the class token, not Slice [1, 16]",
        ),
        (
            lambda self, x: (self.head(x[:, 0]), x),
            "output: the model must return the logits alone, not 2 tensors",
        ),
        (
            lambda self, x: self.head(x.flatten(1)[:, 3:19]),
            (
                "aten.linear.default in head (PLACE): it needs elements of 'norm' that are no "
                "whole tokens or channels"
            ),
        ),
        (
            lambda self, x: self.head((x * x[:, :1])[:, 0]),
            "aten.mul.Tensor (PLACE): it multiplies two computed tensors element by element",
        ),
        (
            lambda self, x: self.head((x + 2 * x)[:, 0]),
            "aten.add.Tensor (PLACE): 'norm' is used both before and after it is scaled",
        ),
        (
            lambda self, x: self.head((2 * x + x)[:, 0]),
            "aten.add.Tensor (PLACE): 'norm' is used both before and after it is scaled",
        ),
        (
            lambda self, x: self.head((x.mT.reshape(x.shape) + 1)[:, 0]),
            (
                "aten.add.Tensor (PLACE): it needs elements of 'norm' that are no "
                "whole tokens or channels"
            ),
        ),
        (
            lambda self, x: self.head((x + x[:, :1])[:, 0]),
            "aten.add.Tensor (PLACE): it adds tensors of different shapes",
        ),
        (
            lambda self, x: self.head(torch.cat((x, x), dim=2)[:, 0, :16]),
            "aten.cat.default (PLACE): concatenation must go along tokens, not axis 2",
        ),
        (
            lambda self, x: self.head(x.softmax(dim=1)[:, 0]),
            "aten.softmax.int (PLACE): softmax must go over the last axis, not axis 1",
        ),
        (
            lambda self, x: self.head(x.softmax(dim=-1)[:, 0]),
            "aten.softmax.int (PLACE): softmax must take attention scores",
        ),
        (
            lambda self, x: self.head(functional.dropout(x, 0.1, training=True)[:, 0]),
            (
                "aten.dropout.default (PLACE): "
                "the model is in training mode; call eval() before the export"
            ),
        ),
        (
            lambda self, x: self.head(
                functional.scaled_dot_product_attention(x, x, x, is_causal=True)[:, 0]
            ),
            "aten.scaled_dot_product_attention.default (PLACE): attention masks are not supported",
        ),
        (
            lambda self, x: self.head(
                functional.scaled_dot_product_attention(self.pos_embed, x, x)[:, 0]
            ),
            (
                "aten.scaled_dot_product_attention.default (PLACE): each of query, key and value "
                "must be computed from the image, not a constant"
            ),
        ),
        (
            lambda self, x: self.head(torch.softmax(x, -1, dtype=torch.float64).float()[:, 0]),
            "aten.softmax.int (PLACE): softmax must take attention scores",
        ),
        (
            lambda self, x: functional.linear(x[:, 0], x[0, 1:4]),
            "aten.linear.default (PLACE): weight must be a parameter, not computed from the image",
        ),
    ],
)
def test_one_reason_for_each_unsupported_model(
    forward: Callable[[VisionTransformer, Tensor], Tensor], reason: str
) -> None:
    (finding,) = check(with_head(forward), IMAGES)
    shown = str(finding).replace(f"({finding.source})", "(PLACE)")
    assert shown == reason
    assert not finding.source or finding.source.startswith(f"{__file__}:")


@pytest.mark.parametrize(
    ("convolution", "reason"),
    [
        (
            nn.Conv2d(1, 16, 4, 4, padding=2),
            "a convolution must have a stride of 1 or 2, not [4, 4]",
        ),
        (
            nn.Conv2d(1, 16, 3, dilation=2),
            "a convolution must have no dilation, not [2, 2]",
        ),
        (
            nn.Conv2d(1, 16, (4, 2), (4, 2)),
            "a convolution must have a square kernel of 1 to 7 pixels a side, not [4, 2]",
        ),
        (
            nn.Conv2d(1, 16, 8, 2),
            "a convolution must have a square kernel of 1 to 7 pixels a side, not [8, 8]",
        ),
        (
            nn.Conv2d(1, 16, 3, 1, padding=(1, 0)),
            "a convolution must be padded alike on all sides, by less than its kernel",
        ),
        (
            nn.Conv2d(1, 16, 3, 3),
            "image of 8 x 8 pixels is no whole number of patches of 3 x 3",
        ),
    ],
)
def test_convolutions_that_do_not_map(convolution: nn.Module, reason: str) -> None:
    model = vit()
    model.patch_embed.proj = convolution
    tokens = 1 + model.patch_embed(IMAGES).shape[1]
    model.pos_embed = nn.Parameter(torch.ones(1, tokens, 16))
    (finding,) = check(model, IMAGES)
    assert finding.module == "patch_embed.proj"
    assert finding.reason == reason


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_are_no_numbers_are_named(value: float) -> None:
    model = vit()
    with torch.no_grad():
        model.blocks[1].attn.qkv.weight[3, 4] = value
        model.cls_token[0, 0, :2] = value
    names = ["'cls_token' has 2", "'blocks.1.attn.qkv.weight' has 1"]
    expected = [Finding("parameter", "", "", f"{name} NaN or infinite values") for name in names]
    assert check(model, IMAGES) == expected
    message = f"parameter: {expected[0].reason}; and 1 more, which `vitaccel check` lists"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        from_module(model, IMAGES)


def test_inputs_that_are_no_image() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, bias: Tensor) -> Tensor:
            return x + bias

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(DIM, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x)

    assert check(Flat(), torch.rand(1, DIM))[0].reason == (
        "the model must take float images [batch, channels, height, width]"
    )
    with pytest.raises(ConfigError, match=r"^Two cannot be exported by torch.export: .+$"):
        from_module(Two(), torch.rand(1, 3, 16, 16))


def test_a_fixed_batch_must_be_one(tmp_path: Path) -> None:
    model, images = make("timm-sdpa")
    torch.export.save(torch.export.export(model, (images,)), tmp_path / "m.pt2")
    message = "input: exported for a batch of 3; export it with 1 image"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        from_pt2(tmp_path / "m.pt2")


@pytest.mark.parametrize("share", [0, 0.1, 0.9])
def test_truncated_and_missing_files_give_one_line(tmp_path: Path, share: float) -> None:
    path = tmp_path / "m.pt2"
    with pytest.raises(ConfigError, match=f"^model {path} does not exist$"):
        from_pt2(path)
    torch.export.save(torch.export.export(vit(), (IMAGES[:1],)), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        ConfigError, match=f"^model {path} is not a whole file of torch.export.save: "
    ):
        from_pt2(path)


def test_a_file_of_something_else_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    torch.save(vit().state_dict(), path)
    with pytest.raises(ConfigError, match=f"^model {path} is not a whole file") as caught:
        check(path)
    assert "\n" not in str(caught.value)


def test_a_module_needs_an_example() -> None:
    with pytest.raises(TypeError, match="a module is checked with an example image"):
        check(vit())
