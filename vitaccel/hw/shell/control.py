"""AXI4-Lite slave with the registers of `vitaccel.registers`."""

from collections.abc import Mapping

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import OKAY, SLVERR, Ports, lite_ports
from vitaccel.hw.ports import fields_layout
from vitaccel.registers import CONTROL, IDENTITY, REGISTERS, VERSION, Register, digest_word

__all__ = ["Control"]

GROUP_BYTES = 32  # of the registers that one register is chosen from


def _member(register: Register, bits: int) -> wiring.Member:
    if register.writable:
        return Out(bits, init=register.init)  # pyright: ignore[reportCallIssue]
    return In(bits)


class Control(Ports, wiring.Component):
    """Registers behind AXI4-Lite; byte strobes are honoured.

    An address without a register, or a write to one that cannot be written, answers SLVERR and
    changes nothing. The two low address bits are ignored.

    Parameters
    ----------
    config
        Sets CONFIG_DIGEST.
    bits
        Of each register that there is, by name. By default all are there, with 32 bits; those left
        out read 0 and take what is written to them without an effect.

    Members
    -------
    aw*, w*, b*, ar*, r*
        AXI4-Lite channels.
    control : Out(fields of registers.CONTROL)
        Pulses.
    <register> : Out(bits) if writable, else In(bits)
        One per register that is neither constant nor CONTROL, by its lowercase name.

    Timing
    ------
    A write takes effect in the cycle after address and data have arrived; one write in 3 cycles,
    one read in 4. All outputs are registers.
    """

    def __init__(self, config: AcceleratorConfig, bits: Mapping[str, int] | None = None) -> None:
        self.config = config
        self.bits = dict.fromkeys(REGISTERS, 32) if bits is None else bits
        self.constants = dict.fromkeys(REGISTERS.keys() - self.bits.keys(), 0) | {
            "ID": IDENTITY,
            "VERSION": VERSION,
            "CONFIG_DIGEST": digest_word(config.digest()),
            "CONTROL": 0,
        }
        super().__init__({
            **lite_ports(),
            "control": Out(fields_layout(CONTROL)),
            **{
                name.lower(): _member(register, self.bits[name])
                for name, register in REGISTERS.items()
                if name not in self.constants
            },
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _write(self, m: Module) -> None:
        address = Signal.like(self.awaddr)
        word = Signal.like(self.wdata)
        strobe = Signal.like(self.wstrb)
        has_address = Signal()
        has_word = Signal()
        acts = Signal()
        m.d.comb += [
            self.awready.eq(~has_address),
            self.wready.eq(~has_word),
            acts.eq(has_address & has_word & ~self.bvalid),
        ]
        m.d.sync += self.control.eq(0)
        with m.If(self.awvalid & self.awready):
            m.d.sync += [address.eq(self.awaddr), has_address.eq(1)]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [word.eq(self.wdata), strobe.eq(self.wstrb), has_word.eq(1)]
        with m.If(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(acts):
            m.d.sync += [has_address.eq(0), has_word.eq(0), self.bvalid.eq(1)]
            m.d.sync += self.bresp.eq(SLVERR)
            with m.Switch(address[2:]):
                for name, register in REGISTERS.items():
                    if not register.writable:
                        continue
                    with m.Case(register.offset >> 2):
                        m.d.sync += self.bresp.eq(OKAY)
                        if name == "CONTROL":
                            m.d.sync += self.control.eq(Mux(strobe[0], word, 0))
                            continue
                        target = getattr(self, name.lower(), Signal(0))
                        for n in range(-(-len(target) // 8)):
                            part = slice(8 * n, min(8 * n + 8, len(target)))
                            with m.If(strobe[n]):
                                m.d.sync += target[part].eq(word[part])

    def _read(self, m: Module) -> None:
        """Choose within every group of registers, then among the groups."""
        address = Signal.like(self.araddr)
        asked, found, known = Signal(), Signal(), Signal()
        m.d.comb += self.arready.eq(~asked & ~found & ~self.rvalid)
        m.d.sync += [asked.eq(self.arvalid & self.arready), found.eq(asked)]
        with m.If(self.arready):
            m.d.sync += address.eq(self.araddr)
        offsets = {register.offset: name for name, register in REGISTERS.items()}
        words = [
            self._choose(m, n, address, offsets) for n in range(max(offsets) // GROUP_BYTES + 1)
        ]
        m.d.sync += known.eq(address[2:].matches(*(offset >> 2 for offset in offsets)))
        with m.If(self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(found):
            m.d.sync += [
                self.rvalid.eq(1),
                self.rdata.eq(0),
                self.rresp.eq(Mux(known, OKAY, SLVERR)),
            ]
            with m.Switch(address[exact_log2(GROUP_BYTES) :]):
                for n, word in enumerate(words):
                    with m.Case(n):
                        m.d.sync += self.rdata.eq(word)

    def _choose(self, m: Module, n: int, address: Value, offsets: Mapping[int, str]) -> Signal:
        """Register of group ``n`` that ``address`` means if it means this group, a cycle later."""
        word = Signal(32, name=f"group_{n}", reset_less=True)
        m.d.sync += word.eq(0)
        with m.Switch(address[2 : exact_log2(GROUP_BYTES)]):
            for place in range(0, GROUP_BYTES, 4):
                name = offsets.get(n * GROUP_BYTES + place)
                if name is None:
                    continue
                with m.Case(place >> 2):
                    constant = self.constants.get(name)
                    m.d.sync += word.eq(
                        getattr(self, name.lower()) if constant is None else constant
                    )
        return word
