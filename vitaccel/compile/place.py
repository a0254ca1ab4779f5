"""Where buffers of activations lie: first fit by lifetime."""

from collections import deque
from collections.abc import Mapping, Sequence

from vitaccel import isa
from vitaccel.compile.instruction import Buffer, Instruction
from vitaccel.config import AcceleratorConfig

__all__ = ["place_activations"]


def place_activations(main: Sequence[Instruction], config: AcceleratorConfig) -> int:
    """Give every buffer of activations an address; return the words needed, possibly too many.

    First fit by lifetime; memory is left to rest after use as long as there is enough: reusing
    words at once would make their next writer wait for their last reader.
    """
    span: dict[Buffer, list[int]] = {}
    read_by_gemm: deque[list[Buffer]] = deque()  # until the POST that drains it, which runs beside
    for n, instruction in enumerate(main):
        views = (*instruction.reads, *instruction.writes)
        used = [view.buffer for view in views if view.buffer.space == isa.Space.ACTIVATION]
        if instruction.op == isa.Op.GEMM:
            read_by_gemm.append(used)
        elif instruction.op == isa.Op.POST:
            used += read_by_gemm.popleft()
        for buffer in used:
            span.setdefault(buffer, [n, n])[1] = n
    orders = (
        sorted(span, key=lambda buffer: span[buffer][0]),
        sorted(span, key=lambda buffer: -buffer.size),
        sorted(span, key=lambda buffer: span[buffer][0] - span[buffer][1]),
    )
    peak = 0
    for rest in (64, 16, 4, 0):
        for order in orders:
            peak = _first_fit(span, order, rest)
            if peak <= config.activation_words:
                return peak
    return peak


def _first_fit(span: Mapping[Buffer, list[int]], order: Sequence[Buffer], rest: int) -> int:
    placed: list[Buffer] = []
    peak = 0
    for buffer in order:
        first, last = span[buffer][0], span[buffer][1] + rest
        rivals = sorted(
            (b for b in placed if span[b][0] <= last and first <= span[b][1] + rest),
            key=lambda b: b.address,
        )
        buffer.address = 0
        for rival in rivals:
            if buffer.address + buffer.size <= rival.address:
                break
            buffer.address = max(buffer.address, rival.address + rival.size)
        placed.append(buffer)
        peak = max(peak, buffer.address + buffer.size + buffer.beyond)
    return peak
