"""Cycles of a program without simulating its gateware: when each instruction starts and ends.

Follows the tokens, queues, accumulator banks and the bus as the gateware does, with a duration for
each instruction instead of its cycles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.estimate_serial import serial_spans
from vitaccel.hw.axi.axi_memory import MemoryTiming
from vitaccel.hw.axi.axi_read import AxiRead
from vitaccel.hw.mxu.accumulators import Accumulators, accumulators_latency
from vitaccel.hw.shell.sequencer import Sequencer
from vitaccel.spans import Interval, Span, producers, working_steps
from vitaccel.tiles import load_cycles
from vitaccel.windows import walk_cycles

if TYPE_CHECKING:  # the compiler itself times programs
    from vitaccel.compile.program import Decoded, Program

__all__ = ["Timeline", "estimate"]

# Cycles measured in RTL that the structure does not tell.
START = 12  # from an instruction's tokens to its first word
FETCH = 60  # from the start of a run to its first instruction
DISPATCH = 4  # between instructions that leave the sequencer
BANK = 4  # POST changes banks
DRAIN = {isa.Op.NORM: 87, isa.Op.SOFTMAX: 55}  # from the last word taken to the last written
WINDOWS = 26  # DEPTHWISE: beside the steps of its windows
TRANSFER = 4  # between LOADs or STOREs that follow one another
ANSWER = 2  # from the last beat of a burst to the address of one that waited for its end


@dataclass
class Timeline:
    """Estimate of one run."""

    cycles: int
    spans: list[Span]
    loaded: int  # bytes
    stored: int  # bytes

    def summary(self, program: "Program", config: AcceleratorConfig, mhz: float) -> dict[str, Any]:
        """Figures of an image at a clock, as JSON takes them."""
        macs = sum(layer["macs"] for layer in program.layers)
        return {
            "batch": program.batch,
            "cycles_per_image": round(self.cycles / program.batch),
            "mac_utilization": round(macs / (config.rows * config.columns * self.cycles), 4),
            "mhz": mhz,
            "images_per_second": round(program.batch * mhz * 1e6 / self.cycles, 2),
            "bytes_loaded": round(self.loaded / program.batch),
            "bytes_stored": round(self.stored / program.batch),
        }

    @staticmethod
    def lines(about: Mapping[str, Any]) -> list[str]:
        """The summary in words."""
        return [
            f"{about['cycles_per_image']} cycles per image",
            f"{about['mac_utilization']:.1%} of the MACs useful",
            f"{about['images_per_second']} images per second at {about['mhz']:g} MHz",
            f"{about['bytes_loaded']} bytes loaded and {about['bytes_stored']} stored per image",
        ]

    def timeline(self) -> dict[str, list[Interval]]:
        """Per unit when it is at work, in whole cycles."""
        rows: dict[str, list[Interval]] = {unit.name: [] for unit in isa.Unit}
        for span in self.spans:
            rows[span.unit.name].append((round(span.start), round(span.end), "busy", span.layer))
        return rows


def estimate(program: "Program", config: AcceleratorConfig, timing: MemoryTiming) -> Timeline:
    """Time one run of ``program.main`` on ``config`` with an external memory of ``timing``."""
    return timeline(working_steps(program), config, timing)


def timeline(
    steps: "Sequence[Decoded]", config: AcceleratorConfig, timing: MemoryTiming
) -> Timeline:
    """Time instructions, none of them HALT."""
    if config.core == "serial":
        spans = serial_spans(steps, config, timing)
        moved = {
            op: sum(
                config.rows * step.fields["n_rows"] * step.fields["n_words"]
                for step in steps
                if step.op == op
            )
            for op in (isa.Op.LOAD, isa.Op.STORE)
        }
        return Timeline(round(spans[-1].end), spans, moved[isa.Op.LOAD], moved[isa.Op.STORE])
    return _Model(config, timing, steps).run()


class _Model:
    """Units as they stand, all times known so far.

    An instruction is timed as soon as everything that it waits for is; a GEMM together with the
    POST that drains it.
    """

    def __init__(
        self, config: AcceleratorConfig, timing: MemoryTiming, program: "Sequence[Decoded]"
    ) -> None:
        self.config, self.timing, self.program = config, timing, program
        pauses = timing.refresh_cycles / timing.refresh_every if timing.refresh_every else 0.0
        self.interval = timing.interval / (1 - pauses)  # cycles a beat of the bus takes
        self.start: dict[int, float] = {}  # by position in the program
        self.end: dict[int, float] = {}
        self.free: dict[isa.Unit, float] = dict.fromkeys(isa.Unit, 0.0)
        self.banks = [0.0, 0.0]  # when each was given back
        self.launched = 0.0  # the last beat so far
        self.bus = 0.0  # when it has moved everything asked for so far
        self.fetched = 0  # instructions
        self.transfers: list[tuple[float, float]] = []  # by LOAD, in order
        self.passed = 0  # of these, by the program's requests
        self.arrived: list[float] = []  # instructions in the sequencer
        self.taken: list[float] = []  # instructions by the sequencer, to be dispatched
        self.moved: dict[isa.Op, int] = {isa.Op.LOAD: 0, isa.Op.STORE: 0}
        self.dispatched: list[float] = []
        self.queues: dict[isa.Unit, list[int]] = {unit: [] for unit in isa.Unit}
        for n, instruction in enumerate(program):
            self.queues[isa.UNIT_OF[instruction.op]].append(n)
        gemms, posts = self.queues[isa.Unit.MXU], self.queues[isa.Unit.POST]
        self.gemm_of = dict(zip(posts, gemms, strict=True))
        self.gemm_before = dict(zip(gemms[1:], gemms, strict=False))
        depth = 1 << (config.queue_depth - 1).bit_length()
        # What must have left the queue before an instruction can enter it.
        self.room = {n: q[k] for q in self.queues.values() for k, n in enumerate(q[depth:])}
        self.producers = producers(program)
        self.latency = accumulators_latency(config)

    def run(self) -> Timeline:
        at = dict.fromkeys(isa.Unit, 0)
        while len(self.end) < len(self.program):
            before = len(self.start) + len(self.end)
            self._dispatch()
            for unit, queue in self.queues.items():
                while at[unit] < len(queue) and self._time(queue[at[unit]]):
                    at[unit] += 1
            assert len(self.start) + len(self.end) > before, "the program deadlocks"
        spans = [
            Span(isa.UNIT_OF[step.op], step.layer, self.start[n], self.end[n])
            for n, step in enumerate(self.program)
        ]
        cycles = round(max(self.end.values()))
        return Timeline(cycles, spans, self.moved[isa.Op.LOAD], self.moved[isa.Op.STORE])

    def _dispatch(self) -> None:
        for n in range(len(self.dispatched), len(self.program)):
            room = self.room.get(n)
            if room is not None and room not in self.start:
                return
            self.arrived.append(self._arrival(n))
            earlier = self.dispatched[-1] if n else FETCH
            self.taken.append(max(earlier, self.arrived[-1]))
            left = self.start[room] if room is not None else 0.0
            self.dispatched.append(max(self.taken[-1] + DISPATCH, left))

    def _arrival(self, n: int) -> float:
        """When instruction n is there: two are asked for as soon as there is room for them.

        They come behind what LOAD has asked for before, of which half a burst has come.
        """
        width = self.config.axi_bytes
        each = Sequencer.BURST_BYTES // isa.BYTES
        depth = max(Sequencer.LEAST_DEPTH * width, 2 * Sequencer.BURST_BYTES) // isa.BYTES
        if n < depth:
            return 0.0
        if n % each:
            return self.arrived[-1]
        asked = until = self.taken[n + each - 1 - depth] + isa.BYTES // width
        while self.passed < len(self.transfers) and self.transfers[self.passed][1] <= asked:
            self.passed += 1
        for begin, end in self.transfers[self.passed :]:
            if begin - self.timing.latency > until:
                break
            until = end
        most = (AxiRead.OUTSTANDING - 0.5) * self.config.burst_beats * self.interval
        moved = Sequencer.BURST_BYTES // width * self.interval
        return asked + self.timing.latency + min(until - asked, most) + moved

    def _time(self, n: int) -> bool:
        """Time instruction n if all it waits for is timed."""
        instruction = self.program[n]
        known = n < len(self.dispatched) and all(p in self.end for p in self.producers[n])
        if instruction.op == isa.Op.POST:
            known &= self.gemm_of[n] in self.start
        elif n in self.gemm_before:
            known &= self.gemm_before[n] in self.end
        if not known:
            return False
        tokens = [self.end[producer] for producer in self.producers[n]]
        unit = isa.UNIT_OF[instruction.op]
        self.start[n] = max([self.dispatched[n], self.free[unit], *tokens]) + START
        match instruction.op:
            case isa.Op.LOAD | isa.Op.STORE:
                self._transfer(n)
            case isa.Op.NORM | isa.Op.SOFTMAX:
                fields = instruction.fields
                least = 8 if instruction.op == isa.Op.NORM else 4  # of a row, see `VECTOR`
                row = self.config.vector_cycles * fields["n_words"]
                words = fields["n_rows"] * max(row, least)
                self.end[n] = self.start[n] + words + 2 * row + DRAIN[instruction.op]
                self.free[unit] = self.end[n]
            case isa.Op.DEPTHWISE:
                cycles = walk_cycles(self.config, instruction.fields)
                self.end[n] = self.free[unit] = self.start[n] + cycles + WINDOWS
            case isa.Op.POST:
                self._drain(n)
        return True

    def _transfer(self, n: int) -> None:
        """The bus moves one beat every ``interval`` cycles, for whoever comes first."""
        fields, timing, width = self.program[n].fields, self.timing, self.config.axi_bytes
        interval = self.interval
        begin = self.start[n] + timing.latency
        # The program comes over the bus too: first in the time that the bus had nothing else to do.
        program = (n - self.fetched) * isa.BYTES // width * interval
        program = max(0.0, program - max(0.0, begin - self.bus))
        self.fetched = n
        begin = max(self.bus, begin)
        self.bus = self.end[n] = begin + program + self._moving(n) + TRANSFER
        self.free[isa.UNIT_OF[self.program[n].op]] = self.bus - timing.latency
        if self.program[n].op == isa.Op.LOAD:
            self.transfers.append((begin, self.bus))
        self.moved[self.program[n].op] += fields["n_rows"] * fields["n_words"] * self.config.rows

    def _moving(self, n: int) -> float:
        """Cycles of a transfer that has the bus: of its beats, or between the bursts of its rows.

        A burst stays inside a block of ``burst_beats``, which some rows cross once more than their
        length makes them; `AxiRead` has a few under way, each from its address to its last beat.
        """
        fields, longest = self.program[n].fields, self.config.burst_beats
        beats = -(-fields["n_words"] * self.config.rows // self.config.axi_bytes)
        moving = beats * self.interval
        if self.program[n].op == isa.Op.LOAD:
            bursts = 1 + (beats - gcd(beats, longest)) / longest  # of a row, on average
            waiting = bursts * (self.timing.latency + ANSWER)
            moving = max(moving, (waiting + moving) / AxiRead.OUTSTANDING)
        return fields["n_rows"] * moving

    def _drain(self, n: int) -> None:
        """Run the tiles of a GEMM, and the POST that drains them bank by bank."""
        gemm = self.gemm_of[n]
        fields = self.program[gemm].fields
        words = load_cycles(self.config, fields)
        # A tile is swapped in when its words are loaded, which begins with the tile before.
        tile = max(fields["n_rows"], words + 1, Accumulators.HAZARD)
        per_row, n_words = self.program[n].fields["tile_words"], self.program[n].fields["n_words"]
        streamed, drained = max(self.start[gemm] + words, self.launched), self.start[n]
        for _ in range(fields["n_tiles"]):
            streamed = max(streamed, self.banks[0]) + fields["k_tiles"] * tile
            drain = self.config.post_cycles * fields["n_rows"] * min(per_row, n_words)
            drained = max(drained, streamed + self.latency) + drain + BANK
            n_words -= per_row
            self.banks = [self.banks[1], drained]
        self.end[gemm] = self.launched = streamed
        self.end[n] = drained + START
        self.free[isa.Unit.MXU] = streamed - words - START
        self.free[isa.Unit.POST] = drained - START
