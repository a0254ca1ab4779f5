"""Order and place: parameters resident or streamed, loads hoisted, activation memory shared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vitaccel import isa
from vitaccel.compile.ideal import ideal_times
from vitaccel.compile.instruction import Buffer, Instruction, View
from vitaccel.compile.lower import Lowering, Step
from vitaccel.compile.place import place_activations
from vitaccel.compile.prefetch import prefetch
from vitaccel.compile.spill import LOOKAHEAD, lookahead, most_alive, spill
from vitaccel.config import AcceleratorConfig
from vitaccel.errors import ConfigError
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.presets import PRESETS

__all__ = ["Arrangement", "arrange"]

SHARES = (1.0, 0.97, 0.94, 0.9, 0.85, 0.8, 0.7)  # of the memory that spilling plans to fill


@dataclass
class Arrangement:
    """``setup`` runs once (resident parameters), ``main`` once per batch; ``data`` of each LOAD."""

    setup: list[Instruction] = field(default_factory=list)
    main: list[Instruction] = field(default_factory=list)
    data: dict[Instruction, np.ndarray] = field(default_factory=dict)
    resident: dict[str, int] = field(default_factory=dict)  # space -> words used


# Addresses of a word in the memories that are written plane by plane.
PLANES = {
    isa.Space.POST_PARAM: 16,
    isa.Space.VECTOR_PARAM: 8,
    isa.Space.DEPTHWISE_WEIGHT: 8,
    isa.Space.DEPTHWISE_PARAM: 8,
}


def capacities(config: AcceleratorConfig) -> Mapping[isa.Space, tuple[int, str]]:
    """Words of each parameter memory and the configuration field that sets it."""
    engine = {
        isa.Space.DEPTHWISE_WEIGHT: (config.depthwise_steps, "depthwise_steps"),
        isa.Space.DEPTHWISE_PARAM: (config.depthwise_words, "depthwise_words"),
    }
    return (engine if config.depthwise_taps else {}) | {
        isa.Space.WEIGHT: (config.weight_words, "weight_words"),
        isa.Space.POST_PARAM: (config.post_words, "post_words"),
        isa.Space.VECTOR_PARAM: (config.vector_words, "vector_words"),
        isa.Space.TABLE: (config.table_slots, "table_slots"),
        isa.Space.EXP: (config.table_slots, "table_slots"),
    }


@dataclass
class _Ring:
    """Buffers of one streamed memory, allocated in the order of use, reused once read."""

    capacity: int
    name: str
    pending: list[Buffer]
    first_use: dict[Buffer, int]
    last_use: dict[Buffer, int]
    head: int = 0
    live: list[Buffer] = field(default_factory=list)

    def take(self, now: int) -> Buffer | None:
        """Place the next pending buffer if nothing still to be issued uses its words."""
        buffer = self.pending[0]
        unit = self.capacity  # halves, quarters …: otherwise a buffer overlaps two former ones
        while unit // 2 >= buffer.size:
            unit //= 2
        start = -(-self.head // unit) * unit
        if start + buffer.size > self.capacity:
            start = 0
        buffer.address = start
        blockers = [
            b for b in self.live if b.address < start + buffer.size and start < b.address + b.size
        ]
        if buffer.size > self.capacity or any(self.last_use[b] >= now for b in blockers):
            return None
        self.live = [b for b in self.live if b not in blockers] + [buffer]
        self.head = start + buffer.size
        return self.pending.pop(0)


def arrange(lowering: Lowering, timing: MemoryTiming, spilling: bool = True) -> Arrangement:
    """Decide residency, hoist loads, place every buffer, spill what there is no room for.

    Raises
    ------
    ConfigError
        If a layer does not fit a memory: names it, what it needs, and the field to raise.
    """
    config, steps = lowering.config, lowering.steps
    words = config.activation_words
    prefetch(steps, lowering.input_loads, words)
    result, peak = _placed(lowering, steps, timing)
    peaks = [peak]
    for share in SHARES if spilling else ():
        if peaks[-1] <= words:
            break
        steps = spill(steps, int(words * share))
        result, peak = _placed(lowering, steps, timing)
        peaks.append(peak)
    if peaks[-1] > words:
        raise ConfigError(
            f"activations need {min(peaks)} words at least, but activation_words is {words}; set "
            f"it to {_enough(-(-min(peaks) // 64) * 64, 'activation_words', config)}"
        )
    halt = Instruction(isa.Op.HALT, "")
    if result.setup:
        result.setup.append(halt)
    result.main.append(halt)
    return result


def _placed(
    lowering: Lowering, steps: Sequence[Step], timing: MemoryTiming
) -> tuple[Arrangement, int]:
    """Order and place everything; also the words of activations that this needs."""
    config, alive = lowering.config, most_alive(steps)
    result = _ordered(lowering, steps, config)
    if alive > config.activation_words:
        return result, alive
    times = ideal_times(result.main, config, timing)
    return result, place_activations(result.main, times, config.activation_words)


def _ordered(lowering: Lowering, steps: Sequence[Step], config: AcceleratorConfig) -> Arrangement:
    """Everything but the places of activations."""
    result = Arrangement(data=dict(lowering.constants))
    rings = []
    for space, (capacity, name) in capacities(config).items():
        ring = _usage(steps, space, capacity, name)
        distinct = {id(lowering.payloads[buffer]): buffer.size for buffer in ring.pending}
        if sum(distinct.values()) <= capacity:
            _settle(ring, lowering, result)
        else:
            rings.append(ring)
    _hoist(lowering, steps, rings, result, config)
    return result


def _usage(steps: Sequence[Step], space: isa.Space, capacity: int, name: str) -> _Ring:
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for n, step in enumerate(steps):
        for buffer in step.needs:
            if buffer.space == space:
                first.setdefault(buffer, n)
                last[buffer] = n
    return _Ring(capacity, name, list(first), first, last)


def _settle(ring: _Ring, lowering: Lowering, result: Arrangement) -> None:
    address = 0
    places: dict[int, int] = {}
    for buffer in ring.pending:
        data = lowering.payloads[buffer]
        buffer.address = places.setdefault(id(data), address)
        if buffer.address == address:
            address += buffer.size
            result.setup.append(_load(buffer, data, result))
    result.resident[ring.name] = address


def _load(buffer: Buffer, data: np.ndarray, result: Arrangement) -> Instruction:
    """LOAD of a parameter buffer; data ``[words, planes, R]`` or ``[.., words, R]``."""
    assert buffer.space is not None
    stride = PLANES.get(buffer.space, 0)
    n_words = data.shape[-2] if stride else data.size // data.shape[-1]
    load = Instruction(
        isa.Op.LOAD,
        buffer.name,
        {
            "local_stride": stride,
            "n_rows": data.size // data.shape[-1] // n_words,
            "n_words": n_words,
            "space": int(buffer.space),
        },
        {"local": View.whole(buffer)},
        writes=(View.whole(buffer),),
    )
    result.data[load] = data
    return load


def _hoist(
    lowering: Lowering,
    steps: Sequence[Step],
    rings: list[_Ring],
    result: Arrangement,
    config: AcceleratorConfig,
) -> None:
    """Put every load `LOOKAHEAD` steps before its first use, what is used first before the rest.

    Parameters that meet several images take turns rarely: they are loaded as soon as there is room.
    None comes between a GEMM and its POST but what this POST needs, or the queue might fill with
    those that wait for the GEMM.
    """
    inputs = _inputs(steps)
    never = len(steps) + LOOKAHEAD
    for now, step in enumerate(steps):
        open_rings = list(rings)
        ahead = LOOKAHEAD if lowering.strategy.together == 1 else len(steps)
        if step.instruction.op == isa.Op.POST:
            ahead = 0
        while True:
            heads = [(ring.first_use[ring.pending[0]], ring) for ring in open_rings if ring.pending]
            use, ring = min(heads, key=lambda head: head[0], default=(never, None))
            if inputs and inputs[0][0] <= min(use, now + min(ahead, LOOKAHEAD)):
                result.main.append(inputs.pop(0)[1])
            elif ring is None or use > now + ahead or (inputs and inputs[0][0] < use):
                break
            elif (buffer := ring.take(now)) is not None:
                result.main.append(_load(buffer, lowering.payloads[buffer], result))
            elif use > now:
                open_rings.remove(ring)
            else:
                wanted = ring.pending[0]
                need = 1 << (2 * wanted.size - 1).bit_length()
                raise ConfigError(
                    f"layer {wanted.name} needs {wanted.size} words beside those in use, "
                    f"but {ring.name} is {ring.capacity}; set {ring.name} to at least "
                    f"{_enough(need, ring.name, config)}"
                )
        if step.fixed or step.instruction.op != isa.Op.LOAD:
            result.main.append(step.instruction)


def _inputs(steps: Sequence[Step]) -> list[tuple[int, Instruction]]:
    """LOADs of activations and the step `LOOKAHEAD` before which they may come, in that order.

    That is the first one that touches what they bring, be it to write some lanes of it anew.
    """
    found = []
    for n, step in enumerate(steps):
        if step.instruction.op == isa.Op.LOAD and not step.fixed:
            (loaded,) = step.instruction.writes
            later = range(n + 1, len(steps))
            use = next((k for k in later if _touches(steps[k].instruction, loaded)), later[-1])
            found.append((use + LOOKAHEAD - lookahead(step), step.instruction))
    return sorted(found, key=lambda item: item[0])


def _touches(instruction: Instruction, loaded: View) -> bool:
    """Whether an instruction reads any of what was loaded, or writes beside it."""
    views = (*instruction.reads, *instruction.writes)
    return any(view.buffer is loaded.buffer and view.overlaps(loaded) for view in views)


def _enough(need: int, name: str, config: AcceleratorConfig) -> str:
    """Value for the field ``name``, and a preset of as many rows that has it."""
    presets = [
        preset
        for preset, known in PRESETS.items()
        if known.rows == config.rows
        and getattr(known, name) >= need
        and (known.depthwise_taps or not config.depthwise_taps)
    ]
    return f"{need}, as in preset {presets[0]}" if presets else str(need)
