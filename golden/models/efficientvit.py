"""EfficientViT, a convolutional network with ReLU linear attention, with timm's parameter names."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from golden.models.vit import Count
from vitaccel.config import Config

__all__ = ["EfficientViT", "EfficientViTArchitecture"]

SCALE = 5  # kernel of the convolution that gathers a token's neighbours for the second scale


class EfficientViTArchitecture(Config):
    """Sizes of an `EfficientViT`; lengths in pixels, widths in channels.

    ``widths`` and ``depths`` are those of the stem and of each stage, where every stage halves the
    image; the first ``local_stages`` of them have no attention. ``stem_stride`` is that of the
    first convolution; ``head_widths`` are those of the head's two hidden layers.
    """

    image_size: Count
    channels: Count = 3
    widths: Annotated[tuple[Count, ...], Field(min_length=2, max_length=8)]
    depths: tuple[Annotated[int, Field(ge=0, le=64)], ...]
    head_dim: Count
    local_stages: Annotated[int, Field(ge=0, le=8)] = 2
    stem_stride: Annotated[int, Field(ge=1, le=2)] = 2
    expand_ratio: Annotated[int, Field(ge=1, le=16)] = 4
    head_widths: tuple[Count, Count]
    classes: Count

    @model_validator(mode="after")
    def _agree(self) -> "EfficientViTArchitecture":
        if len(self.depths) != len(self.widths):
            raise ValueError(
                f"depths must be {len(self.widths)} numbers as widths are, not {len(self.depths)}"
            )
        for width in self.widths[1 + self.local_stages :]:
            if width % self.head_dim:
                raise ValueError(f"head_dim must divide {width} channels, not {self.head_dim}")
        return self


class ConvLayer(nn.Sequential):
    """Convolution that keeps or halves the image; then batch norm and Hardswish where asked for."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: bool = True,
        act: bool = True,
        bias: bool = False,
    ) -> None:
        parts: dict[str, nn.Module] = {
            "conv": nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=bias)
        }
        if norm:
            parts["norm"] = nn.BatchNorm2d(n_out)
        if act:
            parts["act"] = nn.Hardswish()
        super().__init__(OrderedDict(parts))


class DSConv(nn.Sequential):
    """Depthwise, then pointwise convolution."""

    def __init__(self, width: int) -> None:
        super().__init__(
            OrderedDict(
                depth_conv=ConvLayer(width, width, 3, groups=width),
                point_conv=ConvLayer(width, width, act=False),
            )
        )


class MBConv(nn.Sequential):
    """Pointwise convolution to ``ratio`` times the channels, depthwise, pointwise back.

    ``fewer_norm``: biases instead of batch norm in the first two.
    """

    def __init__(
        self, n_in: int, n_out: int, ratio: int, stride: int = 1, *, fewer_norm: bool = False
    ) -> None:
        n = n_in * ratio
        norm = {"norm": not fewer_norm, "bias": fewer_norm}
        super().__init__(
            OrderedDict(
                inverted_conv=ConvLayer(n_in, n, **norm),
                depth_conv=ConvLayer(n, n, 3, stride=stride, groups=n, **norm),
                point_conv=ConvLayer(n, n_out, act=False),
            )
        )


class LiteMLA(nn.Module):
    """Multi-scale linear attention over ``heads * dim`` channels.

    Heads of the second scale see query, key and value gathered from 5 x 5 tokens. With
    ``q = relu(q)``, ``k = relu(k)`` a head computes ``(q (k^T v)) / (q (k^T 1))``.
    """

    def __init__(self, width: int, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps
        n = 3 * width
        self.qkv = ConvLayer(width, n, norm=False, act=False)
        gather = nn.Sequential(
            nn.Conv2d(n, n, SCALE, padding=SCALE // 2, groups=n, bias=False),
            nn.Conv2d(n, n, 1, groups=n // dim, bias=False),
        )
        self.aggreg = nn.ModuleList([gather])
        self.proj = ConvLayer(2 * width, width, act=False)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        qkv = self.qkv(x)
        qkv = torch.cat((qkv, self.aggreg[0](qkv)), dim=1)
        tokens = qkv.reshape(n, -1, 3 * self.dim, height * width).transpose(2, 3)
        q, k, v = tokens.chunk(3, dim=3)  # each [n, heads, tokens, dim]
        q, k = functional.relu(q), functional.relu(k)
        kv = k.transpose(2, 3) @ functional.pad(v, (0, 1), value=1.0)  # [n, heads, dim, dim + 1]
        y = q @ kv
        y = y[..., :-1] / (y[..., -1:] + self.eps)
        return self.proj(y.transpose(2, 3).reshape(n, -1, height, width))


class Residual(nn.Module):
    """``x + main(x)``."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x)


class Plain(nn.Module):
    """``main(x)``: a block that changes the shape, named as the other blocks are."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class Block(nn.Sequential):
    """Linear attention, then `MBConv`, each with a residual."""

    def __init__(self, width: int, dim: int, ratio: int) -> None:
        local = MBConv(width, width, ratio, fewer_norm=True)
        super().__init__(
            OrderedDict(context_module=Residual(LiteMLA(width, dim)), local_module=Residual(local))
        )


class Stage(nn.Module):
    """A block that halves the image, then blocks that keep it."""

    def __init__(self, number: int, arch: EfficientViTArchitecture) -> None:
        super().__init__()
        ratio, dim = arch.expand_ratio, arch.head_dim
        (n_in, n_out), depth = arch.widths[number : number + 2], arch.depths[number + 1]
        attention = number >= arch.local_stages
        first = Plain(MBConv(n_in, n_out, ratio, 2, fewer_norm=attention))
        if attention:
            rest = [Block(n_out, dim, ratio) for _ in range(depth)]
        else:
            rest = [Residual(MBConv(n_out, n_out, ratio)) for _ in range(depth - 1)]
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Head(nn.Module):
    """Pointwise convolution, mean over the image, two linear layers."""

    def __init__(self, arch: EfficientViTArchitecture) -> None:
        super().__init__()
        first, second = arch.head_widths
        self.in_conv = ConvLayer(arch.widths[-1], first)
        self.classifier = nn.Sequential(
            nn.Linear(first, second, bias=False),
            nn.LayerNorm(second),
            nn.Hardswish(),
            nn.Dropout(0.0),  # numbers the next layer as timm's checkpoints do
            nn.Linear(second, arch.classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.in_conv(x).mean((2, 3)))


class EfficientViT(nn.Module):
    """EfficientViT classifier of the B series and smaller ones.

    Computes logits ``[n, classes]`` from images ``[n, channels, image_size, image_size]``.

    Parameters
    ----------
    arch
        Sizes, see `EfficientViTArchitecture`.

    Source
    ------
    EfficientViT: Multi-Scale Linear Attention, arXiv:2205.14756, figures 5 and 6; sizes and what
    has a bias or a norm from mit-han-lab/efficientvit, names of the parameters from timm's
    ``efficientvit_mit.py``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, arch: EfficientViTArchitecture) -> None:
        super().__init__()
        self.arch = arch
        width = arch.widths[0]
        stem = {"in_conv": ConvLayer(arch.channels, width, 3, stride=arch.stem_stride)}
        stem |= {f"res{i}": Residual(DSConv(width)) for i in range(arch.depths[0])}
        self.stem = nn.Sequential(OrderedDict(stem))
        self.stages = nn.Sequential(*(Stage(i, arch) for i in range(len(arch.widths) - 1)))
        self.head = Head(arch)
        shape = (arch.channels, 1, 1)
        self.register_buffer("mean", torch.zeros(shape), persistent=False)
        self.register_buffer("deviation", torch.ones(shape), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem((x - self.mean) / self.deviation)))

    @torch.no_grad()
    def normalize(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Let the model take x where it took ``(x - mean) / deviation``, one value per channel.

        Not folded into the first convolution, which pads what is normalised already.
        """
        self.mean.copy_(torch.tensor(mean)[:, None, None])
        self.deviation.copy_(torch.tensor(deviation)[:, None, None])
