"""Small ViTs written the way other libraries write theirs; random weights, none of them zero."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from golden.models import Architecture

# Ours, with a distillation token and two classifiers.
DISTILLED = Architecture(
    image_size=8,
    channels=3,
    patch_size=4,
    dim=16,
    depth=1,
    heads=2,
    classes=6,
    distillation="head",
)
DIM, HEADS, HIDDEN, CLASSES = 32, 2, 48, 10


class TimmAttention(nn.Module):
    """timm: fused query-key-value, unbind, optional explicit softmax."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.fused = HEADS, DIM // HEADS, fused
        self.scale = self.head_dim**-0.5
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.q_norm, self.k_norm = nn.Identity(), nn.Identity()
        self.attn_drop, self.proj_drop = nn.Dropout(0.1), nn.Dropout(0.1)
        self.proj = nn.Linear(DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if self.fused:
            p = self.attn_drop.p if self.training else 0.0
            x = functional.scaled_dot_product_attention(q, k, v, dropout_p=p)
        else:
            q = q * self.scale
            attn = (q @ k.transpose(-2, -1)).softmax(dim=-1)
            x = self.attn_drop(attn) @ v
        x = x.transpose(1, 2).reshape(b, n, c)
        return self.proj_drop(self.proj(x))


class LayerScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(DIM))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class TimmMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.act, self.drop1 = nn.Linear(DIM, HIDDEN), nn.GELU(), nn.Dropout(0.1)
        self.norm, self.fc2, self.drop2 = nn.Identity(), nn.Linear(HIDDEN, DIM), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop2(self.fc2(self.norm(self.drop1(self.act(self.fc1(x))))))


class TimmBlock(nn.Module):
    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1 = (
            nn.LayerNorm(DIM, 1e-6),
            TimmAttention(fused),
            LayerScale(),
        )
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(DIM, 1e-6), TimmMlp(), LayerScale()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class TimmPatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(3, DIM, 4, 4), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).flatten(2).transpose(1, 2))


class TimmViT(nn.Module):
    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.patch_embed = TimmPatchEmbed()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, DIM))
        self.pos_drop, self.norm_pre = nn.Dropout(0.1), nn.Identity()
        self.blocks = nn.Sequential(*(TimmBlock(fused) for _ in range(2)))
        self.norm, self.head_drop = nn.LayerNorm(DIM, 1e-6), nn.Dropout(0.1)
        self.head = nn.Linear(DIM, CLASSES)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        return self.norm(self.blocks(self.norm_pre(self.pos_drop(x + self.pos_embed))))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.head_drop(self.forward_features(x)[:, 0]))


class HuggingFaceAttention(nn.Module):
    """transformers: three linear layers; ``old`` divides the scores and views, as before 4.48."""

    def __init__(self, old: bool) -> None:
        super().__init__()
        self.old, self.head_dim = old, DIM // HEADS
        self.query, self.key, self.value = (nn.Linear(DIM, DIM) for _ in range(3))
        self.dropout = nn.Dropout(0.0)
        self.output = nn.Linear(DIM, DIM)

    def split(self, x: Tensor) -> Tensor:
        if self.old:
            return x.view((*x.size()[:-1], HEADS, self.head_dim)).permute(0, 2, 1, 3)
        return x.view(x.shape[0], -1, HEADS, self.head_dim).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        key, value = self.split(self.key(x)), self.split(self.value(x))
        query = self.split(self.query(x))
        scores = torch.matmul(query, key.transpose(-1, -2))
        if self.old:
            probs = functional.softmax(scores / math.sqrt(self.head_dim), dim=-1)
        else:
            scores = scores * self.head_dim**-0.5
            probs = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        context = torch.matmul(self.dropout(probs), value).permute(0, 2, 1, 3).contiguous()
        return self.output(context.view((*context.size()[:-2], DIM)))


class HuggingFaceLayer(nn.Module):
    def __init__(self, old: bool) -> None:
        super().__init__()
        self.attention, self.in_place = HuggingFaceAttention(old), old
        self.intermediate, self.output = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)
        self.layernorm_before = nn.LayerNorm(DIM, eps=1e-12)
        self.layernorm_after = nn.LayerNorm(DIM, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.layernorm_before(x)) + x
        h = functional.gelu(self.intermediate(self.layernorm_after(x)), approximate="tanh")
        h = self.output(h)
        if self.in_place:
            h += x
            return h
        return h + x


class HuggingFaceDeiT(nn.Module):
    """Class and distillation token in front; the head reads the class token."""

    def __init__(self, old: bool) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.distillation_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 18, DIM))
        self.projection = nn.Conv2d(3, DIM, kernel_size=(4, 4), stride=(4, 4))
        self.layer = nn.ModuleList(HuggingFaceLayer(old) for _ in range(2))
        self.layernorm = nn.LayerNorm(DIM, eps=1e-12)
        self.classifier = nn.Linear(DIM, CLASSES)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        x = self.projection(pixel_values).flatten(2).transpose(1, 2)
        cls = self.cls_token.expand(x.size()[0], -1, -1)
        distillation = self.distillation_token.expand(x.size()[0], -1, -1)
        x = torch.cat((cls, distillation, x), dim=1) + self.position_embeddings
        for layer in self.layer:
            x = layer(x)
        return {"logits": self.classifier(self.layernorm(x)[:, 0, :])}


class TorchvisionViT(nn.Module):
    """torchvision: PyTorch's own multi-head attention; reshape and permute of the patches."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, DIM, 4, 4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.pos_embedding = nn.Parameter(torch.zeros(1, 17, DIM))
        self.ln_1, self.ln_2 = nn.LayerNorm(DIM, 1e-6), nn.LayerNorm(DIM, 1e-6)
        self.self_attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(DIM, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, DIM))
        self.heads = nn.Linear(DIM, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = self.conv_proj(x).reshape(n, DIM, 16).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand_as(x[:, :1]), x], dim=1) + self.pos_embedding
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x = y + x
        return self.heads((x + self.mlp(self.ln_2(x)))[:, 0])


class HeadsFirstViT(nn.Module):
    """Heads before query-key-value in the fused layer, no biases, separate class-token branch."""

    def __init__(self) -> None:
        super().__init__()
        self.to_patch = nn.Conv2d(3, DIM, 4, 4, bias=False)
        self.cls = nn.Parameter(torch.zeros(1, DIM))
        self.norm = nn.LayerNorm(DIM, elementwise_affine=False)
        self.to_qkv = nn.Linear(DIM, 3 * DIM, bias=False)
        self.to_out = nn.Parameter(torch.zeros(DIM, DIM))
        self.head = nn.Linear(DIM, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = torch.einsum("ndp->npd", self.to_patch(x).flatten(2))
        x = torch.cat((self.cls.repeat(n, 1, 1), x), -2)
        qkv = self.to_qkv(self.norm(x)).view(n, 17, HEADS, 3 * DIM // HEADS).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)
        attn = torch.softmax(torch.einsum("bhid,bhjd->bhij", q, k) * 0.25, dim=3)
        out = (attn @ v).transpose(1, 2).flatten(2)
        x = x - 0.5 * (out @ self.to_out + 1)
        return self.head(x.select(1, 0))


VITS: dict[str, Callable[[], nn.Module]] = {
    "timm-sdpa": lambda: TimmViT(fused=True),
    "timm-explicit": lambda: TimmViT(fused=False),
    "huggingface": lambda: HuggingFaceDeiT(old=False),
    "huggingface-old": lambda: HuggingFaceDeiT(old=True),
    "torchvision": TorchvisionViT,
    "heads-first": HeadsFirstViT,
}


def make(name: str, seed: int = 0) -> tuple[Any, Tensor]:
    """A model with every parameter random, and three images for it."""
    torch.manual_seed(seed)
    model = VITS[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model, torch.rand(3, 3, 16, 16)
