"""The board's end of the host link."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vitaccel.config import AcceleratorConfig
from vitaccel.hw.axi.axi import Ports, expose
from vitaccel.hw.link.access import bus_ports
from vitaccel.hw.link.frame_queue import FrameQueue
from vitaccel.hw.link.requests import Requests
from vitaccel.hw.link.seal import Seal
from vitaccel.hw.link.slip import BYTE, Deframer, Framer, token_layout
from vitaccel.hw.streams.skid import Skid

__all__ = ["Bridge"]


class Bridge(Ports, wiring.Component):
    """Does what frames of `vitaccel.link_protocol` ask, and answers each.

    Any bytes may come: every frame that is not empty gets one reply, in order, a broken one
    `Answer.BROKEN_FRAME`.

    Parameters
    ----------
    config
        Of the accelerator; sets the memory's data bus.
    memory_bytes
        Memory from address 0, below 4 GiB. Nothing behind it is ever addressed.
    queue_bytes
        Room for requests that wait, a power of two of at least 512: one block RAM of iCE40 is
        512, one of ECP5 2048. As long as the host does not send more ahead, none is lost.
    timeout
        Cycles without a byte after which a frame that has begun is given up.

    Members
    -------
    rx : In(stream of byte)
        From the host.
    tx : Out(stream of byte)
        To the host.
    interrupt : In(1)
        Of the accelerator; told by STATUS.
    control_*
        AXI4-Lite master for the accelerator's registers.
    memory_*
        AXI4 master for the memory: bursts of one beat, ID 0, one at a time.

    Timing
    ------
    2 cycles per byte at best. ``rx.ready`` depends on ``rx`` alone, ``tx`` on registers.
    """

    rx: stream.Interface
    tx: stream.Interface
    interrupt: Signal

    def __init__(
        self,
        config: AcceleratorConfig,
        memory_bytes: int,
        *,
        queue_bytes: int = 512,
        timeout: int = 1 << 22,
    ) -> None:
        self.config = config
        self.memory_bytes = memory_bytes
        self.queue_bytes = queue_bytes
        self.timeout = timeout
        super().__init__({
            "rx": In(BYTE),
            "tx": Out(BYTE),
            "interrupt": In(1),
            **bus_ports(config),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.deframer = deframer = Deframer(self.timeout)
        m.submodules.queue = queue = FrameQueue(self.queue_bytes)
        requests = Requests(self.config, self.memory_bytes, self.queue_bytes)
        m.submodules.requests = requests
        m.submodules.seal = seal = Seal()
        m.submodules.framer = framer = Framer()
        connect(m, flipped(self.rx), deframer.i)
        m.submodules.token = token = Skid(token_layout())
        connect(m, deframer.o, token.i)
        connect(m, token.o, queue.i)
        connect(m, queue.o, requests.i)
        connect(m, requests.o, seal.i)
        connect(m, seal.o, framer.i)
        connect(m, framer.o, flipped(self.tx))
        m.d.comb += requests.interrupt.eq(self.interrupt)
        expose(m, self, requests, bus_ports(self.config))
        return m
