"""Normalisation of a row's elements by its statistics, then gain, offset and clamp."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout, word_layout
from vitaccel.hw.primitives.multiplier import Multiplier
from vitaccel.hw.primitives.pipe import delayed
from vitaccel.hw.primitives.round_shift import RoundShift
from vitaccel.hw.shared import Shared
from vitaccel.hw.vector.marker import marked_layout
from vitaccel.hw.vector.moments import SCALED

__all__ = ["Standardize", "statistics_layout"]

S_LEAST = 4  # s of docs/architecture.md is 4 to 19, see `statistics_layout`
U_BITS = 18
SUM_BITS = 35  # u·gain + offset
Y_BITS = 10  # enough to compare with the bounds, which have 9


def statistics_layout() -> data.StructLayout:
    """What a row's elements need: 16 times the mean, inverse deviation and s - 4.

    s = 10 - ceil(log2 D) + floor(log2(V) / 2) lies in 4 .. 19, because integers whose variance is
    not 0 have V >= D - 1, and V < (D·1020)² (X is -1024 to 1016).
    """
    return data.StructLayout({"mu": signed(16), "inverse": 16, "shift": 4})


class Standardize(wiring.Component):
    """Computes u and y of docs/architecture.md, VECTOR, in R lanes.

    ``u = clamp18((((X << 4) - mu)·inverse + 2**(s-1)) >> s)``, then
    ``y = clamp((u·gain + offset + 2**(post_shift-1)) >> post_shift, low, high)``.

    Parameters
    ----------
    config
        Sets the lanes of a word.

    Members
    -------
    fields : In(command_layout(NORM))
        ``post_shift`` (1 to 32), ``low``, ``high`` are used; constant while words are inside.
    i : In(marked word of signed(11) lanes), statistics : In(statistics_layout), i_valid : In(1)
        A word and its row's statistics.
    gain : In(R lanes of unsigned(16)), offset : In(R lanes of unsigned(32))
        Two's complement parameters of the word that came `GAIN_DELAY` or `OFFSET_DELAY` cycles ago.
    o : Out(word), o_valid : Out(1)
        Result; lanes outside the row are 0.

    Timing
    ------
    Latency `LATENCY` cycles; one word per cycle; never stalls.

    Numerics
    --------
    Exact.
    """

    fields: data.View
    i: data.View
    statistics: data.View
    i_valid: Signal
    gain: data.View
    offset: data.View
    o: data.View
    o_valid: Signal

    GAIN_DELAY = Multiplier.LATENCY + RoundShift.LATENCY
    OFFSET_DELAY = GAIN_DELAY + Multiplier.LATENCY
    LATENCY = OFFSET_DELAY + 1 + RoundShift.LATENCY + 1

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "fields": In(command_layout(isa.Op.NORM)),
            "i": In(marked_layout(config, SCALED)),
            "statistics": In(statistics_layout()),
            "i_valid": In(1),
            "gain": In(data.ArrayLayout(unsigned(16), config.rows)),
            "offset": In(data.ArrayLayout(unsigned(32), config.rows)),
            "o": Out(word_layout(config)),
            "o_valid": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shift = delayed(m, self.statistics.shift, Multiplier.LATENCY, "shift")
        post_shift = Signal(5)
        m.d.sync += post_shift.eq(self.fields.post_shift - 1)
        mask = delayed(m, self.i.mask, self.LATENCY - 1, "mask")
        m.d.comb += self.o_valid.eq(
            delayed(m, self.i_valid, self.LATENCY, "valid", reset_less=False)
        )
        for r in range(self.config.rows):
            u = self._standard(m, r, shift)
            y = self._affine(m, r, u, post_shift)
            bounded = Mux(
                y < self.fields.low, self.fields.low, Mux(y > self.fields.high, self.fields.high, y)
            )
            m.d.sync += self.o[r].eq(Mux(mask[r], bounded, 0))
        return m

    def _standard(self, m: Module, r: int, shift: Signal) -> Signal:
        """Return u of lane r, `GAIN_DELAY` cycles after its element."""
        m.submodules[f"deviation_{r}"] = product = Multiplier(16, 17)
        standard = RoundShift(32 - S_LEAST + 1, 4, U_BITS)
        m.submodules[f"standard_{r}"] = Shared(standard)
        m.d.comb += [
            product.a.eq((self.i.lanes[r] << 4) - self.statistics.mu),
            product.b.eq(self.statistics.inverse),
            standard.i.eq(product.p[S_LEAST - 1 :]),
            standard.shift.eq(shift),
        ]
        return standard.o

    def _affine(self, m: Module, r: int, u: Signal, post_shift: Signal) -> Signal:
        """Return y of lane r, `LATENCY` - 1 cycles after its element, not yet clamped."""
        m.submodules[f"gain_{r}"] = product = Multiplier(U_BITS, 16)
        affine = RoundShift(SUM_BITS, 5, Y_BITS)
        m.submodules[f"affine_{r}"] = Shared(affine)
        total = Signal(signed(SUM_BITS), name=f"total_{r}", reset_less=True)
        m.d.comb += [
            product.a.eq(u),
            product.b.eq(self.gain[r]),
            affine.i.eq(total),
            affine.shift.eq(post_shift),
        ]
        m.d.sync += total.eq(product.p + self.offset[r].as_signed())
        return affine.o
