"""Small EfficientViTs for tests."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from golden.models import EfficientViT, EfficientViTArchitecture
from golden.models.efficientvit import LiteMLA

__all__ = ["ARCH", "ChannelsFirst", "efficientvit"]

ARCH = EfficientViTArchitecture(
    image_size=16,
    widths=(8, 8, 16),
    depths=(1, 2, 1),
    head_dim=8,
    local_stages=1,
    stem_stride=1,
    head_widths=(16, 24),
    classes=5,
)


class ChannelsFirst(LiteMLA):
    """Linear attention as mit-han-lab writes it: ones below v, products from the left."""

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        qkv = self.qkv(x)
        qkv = torch.cat([qkv, self.aggreg[0](qkv)], dim=1).reshape(
            n, -1, 3 * self.dim, x[0, 0].numel()
        )
        q, k, v = (qkv[:, :, i * self.dim : (i + 1) * self.dim] for i in range(3))
        q, k = functional.relu(q), functional.relu(k)
        v = functional.pad(v, (0, 0, 0, 1), mode="constant", value=1)
        out = torch.matmul(torch.matmul(v, k.transpose(-1, -2)), q)
        out = out[:, :, :-1] / (out[:, :, -1:] + self.eps)
        return self.proj(out.reshape(n, -1, height, width))


def efficientvit(
    arch: EfficientViTArchitecture = ARCH, *, normalization: Sequence[float] = (), seed: int = 0
) -> EfficientViT:
    """Random model whose batch norms have seen images, so that none is the identity.

    ``normalization``: mean and standard deviation of the images, of all channels.
    """
    torch.manual_seed(seed)
    model = EfficientViT(arch)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(4):
            model(torch.rand(16, arch.channels, arch.image_size, arch.image_size))
    if normalization:
        mean, deviation = normalization
        model.normalize(
            [mean + 0.05 * i for i in range(arch.channels)], [deviation] * arch.channels
        )
    return model.eval()
