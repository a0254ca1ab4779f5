"""Physical column of the array: R processing elements under one another."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import word_layout
from vitaccel.hw.primitives.lut_multiplier import ShortLutMultiplier
from vitaccel.hw.primitives.multiplier import Multiplier

__all__ = [
    "Column",
    "PackedColumn",
    "UniformColumn",
    "control_layout",
    "lane_values",
    "lanes_layout",
    "physical_columns",
    "sums_layout",
]


def lanes_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """Streamed lanes, one bit wider than activations so that uint8 fits beside int8."""
    return data.ArrayLayout(signed(config.activation_bits + 1), config.rows)


def lane_values(config: AcceleratorConfig) -> range:
    """Values a streamed lane can have."""
    return range(-(2 ** (config.activation_bits - 1)), 2**config.activation_bits)


def physical_columns(config: AcceleratorConfig) -> int:
    """Columns of processing elements: uniform ones, then power-of-two ones."""
    return config.wide_groups * config.rows + config.pot_columns


def control_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What travels along row 0, beside the streamed beat and the stationary word of the cycle."""
    return data.StructLayout({
        "swap": 1,  # the beat is the first one of a tile
        "take": 1,  # a stationary word passes
        "tag": range(physical_columns(config)),  # physical column that it is meant for
        "wide": 1,  # it holds an int8 operand, not weights
    })


def sums_layout(config: AcceleratorConfig, n_sums: int) -> data.ArrayLayout:
    """Sums of some columns."""
    return data.ArrayLayout(signed(config.accumulator_bits), n_sums)


def products_of(a: range, b: range) -> range:
    """Range of ``a * b``."""
    corners = [x * y for x in (a[0], a[-1]) for y in (b[0], b[-1])]
    return range(min(corners), max(corners) + 1)


class Column(wiring.Component):
    """R elements that share the sums of one physical column; subclasses multiply.

    Every element holds a shadow and an active stationary value. A word whose tag names this
    column goes to the shadows; a beat with `swap` moves them to the active registers as it passes
    and already uses them. Nothing stalls and nothing is enabled from outside: element r sees
    the flags of element r - 1 one cycle later, as it sees lane r one cycle after lane r - 1.

    Parameters
    ----------
    config
        Lanes, widths.

    Members
    -------
    index : In
        Physical column, compared with the tags; constant.
    lanes, words, control : In
        Streamed lanes, stationary word, `control_layout`; lane r is r cycles late.
    lanes_next, words_next, control_next : Out
        The same for the next column, a cycle later.
    sums : Out(array of signed(accumulator_bits))
        ``sum(lane_r * stationary_r)`` of the `N_SUMS` columns that this one serves.

    Timing
    ------
    A beat's sums appear ``rows + LATENCY`` cycles after its lane 0; one beat per cycle.

    Numerics
    --------
    Exact modulo ``2**accumulator_bits``; partial sums are as wide as their row needs.
    """

    LATENCY = 3
    N_SUMS = 1

    index: Signal
    lanes: data.View
    words: data.View
    control: data.View
    lanes_next: data.View
    words_next: data.View
    control_next: data.View
    sums: data.View

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "index": In(range(physical_columns(config))),
            "lanes": In(lanes_layout(config)),
            "words": In(word_layout(config)),
            "control": In(control_layout(config)),
            "lanes_next": Out(lanes_layout(config)),
            "words_next": Out(word_layout(config)),
            "control_next": Out(control_layout(config)),
            "sums": Out(sums_layout(config, self.N_SUMS)),
        })

    def _wanted(self) -> Value:
        """Tell whether the passing tag means this column."""
        return self.control.tag == self.index

    def _multiply(self, m: Module, name: str, lane: Value, stationary: Value) -> Value:
        """Multiply in two cycles."""
        kind = ShortLutMultiplier if self.config.array_products == "luts" else Multiplier
        m.submodules[f"multiplier_{name}"] = multiplier = kind(lane.shape(), stationary.shape())
        m.d.comb += [multiplier.a.eq(lane), multiplier.b.eq(stationary)]
        return multiplier.p

    def _product_values(self) -> Sequence[range]:
        """Range of each of the `N_SUMS` products."""
        raise NotImplementedError

    def _products(
        self, m: Module, row: int, lane: Value, stationary: Value, wide: Value
    ) -> Sequence[Value]:
        """Multiply in two cycles; one value for each sum, as `_add` wants it."""
        raise NotImplementedError

    def _add(self, m: Module, name: str, above: Value, product: Value, width: int) -> Value:
        """Add what `_products` returned; ``width`` bits of the sum are used."""
        return above + product

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = Signal.like(self.lanes, reset_less=True)
        words = Signal.like(self.words, reset_less=True)
        control = Signal.like(self.control, reset_less=True)
        m.d.sync += [
            lanes.eq(self.lanes),
            words.eq(self.words),
            control.eq(self.control),
        ]
        m.d.comb += [
            self.lanes_next.eq(lanes),
            self.words_next.eq(words),
            self.control_next.eq(control),
        ]
        swap, take, wide = self._flags(m)
        above: Sequence[Value] = [Const(0, signed(1))] * self.N_SUMS
        for row in range(self.config.rows):
            shadow = Signal(8, name=f"shadow_{row}", reset_less=True)
            active = Signal(8, name=f"active_{row}", reset_less=True)
            with m.If(take[row]):
                m.d.sync += shadow.eq(self.words[row])
            with m.If(swap[row]):
                m.d.sync += active.eq(shadow)
            products = self._products(m, row, lanes[row], active, wide[row])
            above = self._accumulate(m, row, above, products)
        m.d.comb += [total.eq(last) for total, last in zip([*self.sums], above, strict=True)]
        return m

    def _flags(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Swap and take of every row in this cycle, and whether its active value is wide."""
        rows = self.config.rows
        swap, take = Signal(rows), Signal(rows)
        wide = Signal(rows, reset_less=True)
        shadow_wide = Signal(reset_less=True)
        for flag, first in ((swap, self.control.swap), (take, self.control.take & self._wanted())):
            passed = Signal(rows, reset_less=True)
            m.d.comb += flag.eq(Cat(first, passed))
            m.d.sync += passed.eq(flag)
        with m.If(take[0]):
            m.d.sync += shadow_wide.eq(self.control.wide)
        with m.If(swap[0]):
            m.d.sync += wide[0].eq(shadow_wide)
        m.d.sync += wide[1:].eq(wide)
        return swap, take, wide

    def _accumulate(
        self, m: Module, row: int, above: Sequence[Value], products: Sequence[Value]
    ) -> list[Value]:
        """Add a row's products to the sums that come from above."""
        totals: list[Value] = []
        for n, values in enumerate(self._product_values()):
            extremes = range(values[0] * (row + 1), values[-1] * (row + 1) + 1)
            width = min(Shape.cast(extremes).width, self.config.accumulator_bits)
            total = Signal(signed(width), name=f"total_{row}_{n}", reset_less=True)
            added = self._add(m, f"{row}_{n}", above[n], products[n], width)
            m.d.sync += total.eq(added)
            totals.append(total)
        return totals


class UniformColumn(Column):
    """One multiplier per element: streamed lane times int8."""

    def _product_values(self) -> Sequence[range]:
        return [products_of(lane_values(self.config), range(-128, 128))]

    def _products(
        self, m: Module, row: int, lane: Value, stationary: Value, wide: Value
    ) -> Sequence[Value]:
        return [self._multiply(m, f"{row}", lane, stationary.as_signed())]


class PackedColumn(Column):
    """Two 4-bit stationary values per multiplier: columns of a low and of a high nibble.

    The multiplier takes ``high * 2**split + low``, so its product holds both. `split` bits hold any
    low product as a signed number; the high part is one too small when that is negative. In LUTs
    each nibble has a multiplier of its own.
    """

    N_SUMS = 2

    def _product_values(self) -> Sequence[range]:
        lanes = lane_values(self.config)
        return [products_of(lanes, range(-8, 16)), products_of(lanes, range(-8, 8))]

    def _products(
        self, m: Module, row: int, lane: Value, stationary: Value, wide: Value
    ) -> Sequence[Value]:
        split = Shape.cast(self._product_values()[0]).width
        low = Cat(stationary[:4], ~wide & stationary[3]).as_signed()
        high = stationary[4:].as_signed()
        if self.config.array_products == "luts":
            products = [self._multiply(m, f"low_{row}", lane, low)]
            products.append(self._multiply(m, f"high_{row}", lane, high))
            return [Cat(0, product).as_signed() for product in products]
        pair = Signal(signed(split + 5), name=f"pair_{row}")
        m.d.comb += pair.eq(Cat(low, low[4].replicate(split - 5), high - low[4]))
        product = self._multiply(m, f"{row}", lane, pair)
        zero_or_one = product[split - 1]
        return [Cat(0, product[:split]).as_signed(), Cat(zero_or_one, product[split:]).as_signed()]

    def _add(self, m: Module, name: str, above: Value, product: Value, width: int) -> Value:
        # Below the product stands a bit to be added to it: so it becomes the adder's carry in.
        return (Cat(1, above).as_signed() + product)[1:]
