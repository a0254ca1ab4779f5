"""Vision transformer in one file, with timm's parameter names."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from vitaccel.config import Config

__all__ = ["Architecture", "VisionTransformer"]

Count = Annotated[int, Field(ge=1, le=1 << 16)]


class Architecture(Config):
    """Sizes of a `VisionTransformer`; lengths in pixels, widths in channels.

    ``distillation``: a second token beside the class token; with ``head`` it has a classifier of
    its own, and the logits are the mean of both. ``eps`` is LayerNorm's, ``gelu`` exact or by tanh.
    """

    image_size: Count
    channels: Count
    patch_size: Count
    dim: Count
    depth: Count
    heads: Count
    mlp_ratio: Annotated[float, Field(gt=0, le=16)] = 4.0
    classes: Count
    distillation: Literal["none", "token", "head"] = "none"
    eps: Annotated[float, Field(gt=0, le=1e-3)] = 1e-6
    gelu: Literal["none", "tanh"] = "none"

    @model_validator(mode="after")
    def _agree(self) -> "Architecture":
        if self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size must divide image_size ({self.image_size}), not {self.patch_size}"
            )
        if self.dim % self.heads:
            raise ValueError(f"heads must divide dim ({self.dim}), not {self.heads}")
        return self

    @property
    def patches(self) -> int:
        """Patches of an image, without any other token."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def tokens(self) -> int:
        """Patches with the class token and the distillation token if there is one."""
        return self.patches + (1 if self.distillation == "none" else 2)

    @property
    def hidden(self) -> int:
        """Channels between the two layers of an MLP."""
        return round(self.dim * self.mlp_ratio)


class PatchEmbedding(nn.Module):
    """Patches to tokens: a convolution whose kernel is its stride."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        size = arch.patch_size
        self.proj = nn.Conv2d(arch.channels, arch.dim, kernel_size=size, stride=size)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)  # [n, patches, dim]


class Attention(nn.Module):
    """Multi-head self-attention with query, key and value in one linear layer."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.heads = arch.heads
        self.qkv = nn.Linear(arch.dim, 3 * arch.dim)
        self.proj = nn.Linear(arch.dim, arch.dim)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each [n, heads, tokens, head_dim]
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, tokens, dim))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.fc1 = nn.Linear(arch.dim, arch.hidden)
        self.act = nn.GELU(arch.gelu)
        self.fc2 = nn.Linear(arch.hidden, arch.dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block: attention, then MLP, each with a residual."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(arch.dim, eps=arch.eps)
        self.attn = Attention(arch)
        self.norm2 = nn.LayerNorm(arch.dim, eps=arch.eps)
        self.mlp = Mlp(arch)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """ViT classifier on the class token, or on class and distillation token.

    Computes logits ``[n, classes]`` from images ``[n, channels, image_size, image_size]``.

    Parameters
    ----------
    arch
        Sizes, see `Architecture`.

    Source
    ------
    An Image is Worth 16x16 Words, arXiv:2010.11929, section 3.1; distillation: DeiT,
    arXiv:2012.12877, section 4. Names and the default eps are those of timm's
    ``vision_transformer.py`` and ``deit.py``, so that its checkpoints load.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, arch.dim))
        if arch.distillation != "none":
            self.dist_token = nn.Parameter(torch.zeros(1, 1, arch.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, arch.tokens, arch.dim))
        self.patch_embed = PatchEmbedding(arch)
        self.blocks = nn.Sequential(*(Block(arch) for _ in range(arch.depth)))
        self.norm = nn.LayerNorm(arch.dim, eps=arch.eps)
        self.head = nn.Linear(arch.dim, arch.classes)
        if arch.distillation == "head":
            self.head_dist = nn.Linear(arch.dim, arch.classes)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier for weights, zeros for biases; small normals for tokens and positions."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for parameter in (*self._tokens(), self.pos_embed):
            nn.init.trunc_normal_(parameter, std=0.02)

    def _tokens(self) -> tuple[Tensor, ...]:
        """What stands before the patches."""
        if self.arch.distillation == "none":
            return (self.cls_token,)
        return self.cls_token, self.dist_token

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        tokens = (token.expand(x.shape[0], -1, -1) for token in self._tokens())
        x = torch.cat((*tokens, x), dim=1)
        x = self.norm(self.blocks(x + self.pos_embed))  # [n, tokens, dim]
        logits = self.head(x[:, 0])
        if self.arch.distillation != "head":
            return logits
        return (logits + self.head_dist(x[:, 1])) / 2

    @torch.no_grad()
    def normalize(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Let the model take x where it took ``(x - mean) / deviation``, one value per channel.

        Folded into the patch embedding.
        """
        projection = self.patch_embed.proj
        assert projection.bias is not None
        weight = projection.weight / torch.tensor(deviation)[:, None, None]
        projection.bias -= (weight * torch.tensor(mean)[:, None, None]).sum((1, 2, 3))
        projection.weight.copy_(weight)
