"""Checks POST commands and cuts them into tiles of the accumulator banks."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vitaccel import isa
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.ports import command_layout

__all__ = ["PostTiles", "settings_layout", "tile_layout"]

MAX_PRE_SHIFT = 15  # brings any 33 bits into 18
MAX_POST_SHIFT = 32  # brings any 35 bits into 3


def settings_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What a command asks of every word."""
    return data.StructLayout({
        "pre_shift": 4,
        "post_shift": 6,
        "zero_point": signed(8),
        "low": signed(9),
        "high": signed(9),
        "use_residual": 1,
        "use_table": 1,
        "table": range(config.table_slots),
        "wide": 1,
        **({"division": 2} if config.hybrid else {}),
    })


def tile_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Output words of one bank of accumulators: ``n_words`` of each of ``n_rows`` rows."""
    return data.StructLayout({
        "dst": 16,
        "dst_stride": 16,
        "residual": 16,
        "residual_stride": 16,
        "param": range(config.post_words),
        "n_rows": 16,
        "n_words": 8,
        "last": 1,  # of its command
        "lanes_before": 5,  # of its first word, left as they are
        "lanes_after": 5,  # of its last word
        "settings": settings_layout(config),
    })


class PostTiles(wiring.Component):
    """Turn a POST command into its n-tiles.

    Parameters
    ----------
    config
        Bounds of the fields.

    Members
    -------
    command : In(stream of command_layout(POST))
        Commands.
    o : Out(stream of tile_layout)
        Tiles in the order in which they are drained.
    fault : Out(Status)
        ILLEGAL_FIELD or LOCAL_ADDRESS from the cycle in which a command was refused; held, and
        no further command is taken.

    Timing
    ------
    First tile 3 cycles after the command, then one in two cycles; the next command can be taken in
    the cycle after the last tile.
    """

    command: stream.Interface
    o: stream.Interface
    fault: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__({
            "command": In(stream.Signature(command_layout(isa.Op.POST, hybrid=config.hybrid))),
            "o": Out(stream.Signature(tile_layout(config))),
            "fault": Out(isa.Status),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # dst, residual, param, n_words: of the rest
        layout = command_layout(isa.Op.POST, hybrid=self.config.hybrid)
        fields = Signal(layout, reset_less=True)
        first, last = Signal(), Signal()
        tile = self.o.p
        m.d.comb += [
            last.eq(fields.n_words <= fields.tile_words),
            *(
                tile[name].eq(fields[name])
                for name in ("dst", "dst_stride", "residual", "residual_stride", "param", "n_rows")
            ),
            *(tile.settings[name].eq(fields[name]) for name, _ in tile.settings.shape()),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [fields.eq(self.command.payload), first.eq(1)]
                with m.If(self.command.valid):
                    m.next = "CHECK"
            with m.State("CHECK"):
                status = self._check(m, fields)
                m.d.sync += self.fault.eq(status)
                with m.If(status == isa.Status.OK):
                    m.next = "CUT"
                with m.Else():
                    m.next = "STOP"
            with m.State("CUT"):
                m.d.sync += [
                    tile.n_words.eq(Mux(last, fields.n_words, fields.tile_words)),
                    tile.last.eq(last),
                    tile.lanes_before.eq(Mux(first, fields.lanes_before, 0)),
                    tile.lanes_after.eq(Mux(last, fields.lanes_after, 0)),
                ]
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [
                        first.eq(0),
                        fields.n_words.eq(fields.n_words - fields.tile_words),
                        *(
                            fields[name].eq(fields[name] + fields.tile_words)
                            for name in ("dst", "residual", "param")
                        ),
                    ]
                    m.next = "CUT"
                    with m.If(tile.last):
                        m.next = "TAKE"
            with m.State("STOP"):
                pass
        return m

    def _check(self, m: Module, fields: data.View) -> Signal:
        config = self.config
        illegal = Signal()
        status = Signal(isa.Status)
        m.d.comb += illegal.eq(
            (fields.n_rows == 0)
            | (fields.n_rows > config.accumulator_rows)
            | (fields.n_words == 0)
            | (fields.tile_words == 0)
            | (fields.tile_words > config.groups)
            | (fields.pre_shift > MAX_PRE_SHIFT)
            | (fields.post_shift == 0)
            | (fields.post_shift > MAX_POST_SHIFT)
            | (fields.use_table & (fields.table >= config.table_slots))
            | (fields.wide & (not config.packed))
            | (fields.lanes_before >= config.rows)
            | (fields.lanes_after >= config.rows)
        )
        with m.If(illegal):
            m.d.comb += status.eq(isa.Status.ILLEGAL_FIELD)
        with m.Elif(fields.param + fields.n_words > config.post_words):
            m.d.comb += status.eq(isa.Status.LOCAL_ADDRESS)
        return status
