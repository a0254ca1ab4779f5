"""Choice of power-of-two filters: M2-ViT's scheme level, under what the array asks for."""

import torch
from torch import Tensor

__all__ = ["choose_pot", "pot_violations"]


def _sets(n: int, rows: int, groups: int) -> list[list[int]]:
    """Channels that share lane and tile: each takes one of the ``groups`` columns of that lane."""
    tile = rows * groups
    return [
        list(range(start + lane, min(start + tile, n), rows))
        for start in range(0, n, tile)
        for lane in range(rows)
    ]


def choose_pot(penalty: Tensor, *, rows: int, groups: int, pot_groups: int) -> Tensor:
    """Choose the filters that become power-of-two.

    Output channel ``word * rows + lane`` runs in a column of its lane; tiles are ``groups``
    consecutive words. Each lane of a tile has ``pot_groups`` power-of-two columns and the rest
    uniform, so of its ``n`` channels at most ``pot_groups`` may be power-of-two and at most
    ``groups - pot_groups`` uniform: exactly ``pot_groups`` in a full tile. Within that, those of
    least penalty are chosen, and no more than needed unless the penalty is negative.

    Parameters
    ----------
    penalty
        ``[channels]``, loss as power-of-two filter minus loss as uniform filter.

    Returns
    -------
    Tensor
        bool ``[channels]``.

    Source
    ------
    M2-ViT, arXiv:2410.09113: filters of a layer are split in a fixed ratio by quantisation error.
    The sets are ours: they let uniform and power-of-two filters share a word without permutation.
    """
    chosen = torch.zeros(len(penalty), dtype=torch.bool)
    for channels in _sets(len(penalty), rows, groups):
        ranked = sorted(channels, key=lambda channel: penalty[channel].item())
        needed = len(channels) - (groups - pot_groups)
        for place, channel in enumerate(ranked[:pot_groups]):
            chosen[channel] = place < needed or penalty[channel] < 0
    return chosen


def pot_violations(chosen: Tensor, *, rows: int, groups: int, pot_groups: int) -> list[list[int]]:
    """Sets of channels, as in `choose_pot`, that the columns of their lane cannot hold."""
    bad: list[list[int]] = []
    for channels in _sets(len(chosen), rows, groups):
        n_pot = int(chosen[channels].sum())
        if n_pot > pot_groups or len(channels) - n_pot > groups - pot_groups:
            bad.append(channels)
    return bad
