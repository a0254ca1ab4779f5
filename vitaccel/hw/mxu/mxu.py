"""Matrix unit: executes GEMM on the systolic array."""

from typing import Any

from amaranth import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.mxu.accumulators import Accumulators
from vitaccel.hw.mxu.array import Array
from vitaccel.hw.mxu.loader import Loader
from vitaccel.hw.mxu.streamer import Streamer
from vitaccel.hw.ports import DrainPort, ReadPort, command_layout
from vitaccel.hw.primitives.times import times

__all__ = ["Mxu"]

STRIDE_BITS = 16  # of `Walk`


class Mxu(wiring.Component):
    """Multiply streamed activations by stationary tiles, see docs/architecture.md.

    Computes ``acc[m, c] = sum_k stream[m, k] * stationary[c, k]`` for each n_tile. `Loader` keeps
    the next tile in the shadow registers, across commands too, while `Streamer` launches the beats
    of the present one.

    Parameters
    ----------
    config
        Sizes of the array.

    Members
    -------
    command : In(stream of command_layout(GEMM))
        Taken while former commands are under way: semaphores are taken before it is offered.
    weights, stationary, stream : Out(ReadPort)
        Weight buffer; activation memory for stationary and streamed operands.
    drain : In(DrainPort)
        Accumulators, to POST.
    beat : Out(1)
        A streamed word enters the array.
    done : Out(1)
        One pulse per command: all operands are read. Sums are there when ``drain.full``.
    fault : Out(isa.Status)
        ILLEGAL_FIELD; commands before the illegal one still finish, none after it is taken.
    busy : Out(1)
        A command is taken and not done.

    Timing
    ------
    One beat per cycle, without gaps between tiles and commands whose rows outnumber the cycles in
    which the next tile is read: one per word, two with ``Columns.PACKED``. If the memories answer
    in the next cycle, the first beat comes `START_CYCLES` after its command was taken, plus those
    cycles, plus ``rows - 2`` if its tile is transposed, less one if the loader need not switch,
    plus one with ``hybrid``.

    Numerics
    --------
    Exact modulo ``2**accumulator_bits``; golden twins `golden.ops.matmul` and ``log2_matmul``.
    """

    command: stream.Interface
    weights: Any
    stationary: Any
    stream: Any
    drain: Any
    beat: Signal
    done: Signal
    fault: Signal
    busy: Signal

    START_CYCLES = 8
    N_COMMANDS = 63  # more than the queues inside can hold

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.GEMM, hybrid=config.hybrid))),
            "weights": Out(ReadPort(config)),
            "stationary": Out(ReadPort(config)),
            "stream": Out(ReadPort(config)),
            "drain": In(DrainPort(config)),
            "beat": Out(1),
            "done": Out(1),
            "fault": Out(isa.Status),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = Loader(self.config)
        m.submodules.streamer = streamer = Streamer(self.config)
        m.submodules.array = array = Array(self.config)
        m.submodules.accumulators = accumulators = Accumulators(self.config)
        wiring.connect(m, loader.weights, wiring.flipped(self.weights))
        wiring.connect(m, loader.stationary, wiring.flipped(self.stationary))
        wiring.connect(m, streamer.port, wiring.flipped(self.stream))
        wiring.connect(m, accumulators.drain, wiring.flipped(self.drain))
        m.d.comb += [
            streamer.loaded.eq(loader.loaded),
            loader.used.eq(streamer.used),
            streamer.free.eq(accumulators.free),
            accumulators.claim.eq(streamer.claim),
            accumulators.beat.eq(streamer.beat),
            accumulators.sums.eq(array.sums),
            array.lanes.eq(streamer.lanes),
            array.words.eq(loader.words),
            array.control.swap.eq(streamer.swap),
            array.control.take.eq(loader.control.take),
            array.control.tag.eq(loader.control.tag),
            array.control.wide.eq(loader.control.wide),
            self.beat.eq(streamer.beat.valid),
            self.done.eq(streamer.done),
        ]
        self._accept(m, loader, streamer)
        return m

    def _accept(self, m: Module, loader: Loader, streamer: Streamer) -> None:
        """Check a command, then hand it to both sides, each when it is ready."""
        checking = Signal()
        command = Signal.like(self.command.p, reset_less=True)
        waits = Signal(2)  # for the loader, the streamer
        n_commands = Signal(range(self.N_COMMANDS + 1))
        taken = self.command.valid & self.command.ready
        m.d.comb += [
            self.command.ready.eq(~checking & (waits == 0)),
            self.busy.eq(n_commands != 0),
        ]
        m.d.sync += n_commands.eq(n_commands + taken - self.done)
        for n, side in enumerate((loader, streamer)):
            m.d.comb += [side.command.payload.eq(command), side.command.valid.eq(waits[n])]
            with m.If(side.command.ready):
                m.d.sync += waits[n].eq(0)
        with m.If(taken):
            m.d.sync += [checking.eq(1), command.eq(self.command.p)]
        with m.If(checking):  # an illegal command stays here
            with m.If(self._legal(command)):
                m.d.sync += [checking.eq(0), waits.eq(0b11)]
            with m.Else():
                m.d.sync += self.fault.eq(isa.Status.ILLEGAL_FIELD)

    def _legal(self, command: data.View) -> Value:
        weight = command.source == isa.Stationary.WEIGHT
        masked = (command.lanes_before != 0) | (command.lanes_after != 0)
        pot = ~weight if self.config.log2_attention else 0
        packed = ~weight if self.config.packed else 0
        span = times(command.stationary_stride, self.config.rows)
        far = span[STRIDE_BITS:].any()
        if self.config.packed:  # pairs of blocks are twice as far apart
            far |= span[STRIDE_BITS - 1] & (command.columns == isa.Columns.PACKED)
        walked = True
        if self.config.hybrid:
            bounded = (command.tap_words != 0) & (command.row_pixels != 0)
            walked = ((command.kernel == 0) | bounded) & ~(weight & command.relu_stationary)
        return (
            walked
            & (command.n_rows != 0)
            & (command.n_rows <= self.config.accumulator_rows)
            & (command.k_tiles != 0)
            & (command.n_tiles != 0)
            & (command.source <= max(isa.Stationary))
            & ((command.columns != isa.Columns.ALL) | weight)
            & ((command.columns != isa.Columns.POT) | pot)
            & ((command.columns != isa.Columns.PACKED) | packed)
            & (weight | ~far)
            & (~masked | (command.source == isa.Stationary.ROWS))
            & (command.lanes_before < self.config.rows)
            & (command.lanes_after < self.config.rows)
        )
