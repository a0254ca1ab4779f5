"""Area and routed clock of every unit by itself; see `vitaccel.flow.synth`."""

import argparse
import json

from record import DOCS, OUT, record

from vitaccel.flow.synth import TARGET_MHZ, synthesize
from vitaccel.hw.accelerator import scratchpad
from vitaccel.hw.axi.arbiter import Arbiter
from vitaccel.hw.link.bridge import Bridge
from vitaccel.hw.link.uart import Uart
from vitaccel.hw.memory.weight_buffer import WeightBuffer
from vitaccel.hw.mxu.mxu import Mxu
from vitaccel.hw.post.post import Post
from vitaccel.hw.post.requant_lane import RequantLane
from vitaccel.hw.shell.load import Load
from vitaccel.hw.shell.shell import Shell
from vitaccel.hw.shell.store import Store
from vitaccel.hw.vector.layernorm import LayerNorm
from vitaccel.hw.vector.softmax import Softmax
from vitaccel.hw.vector.vector import Vector
from vitaccel.presets import PRESETS

UNITS = {
    "mxu": Mxu,
    "post": Post,
    "vector": Vector,
    "requant_lane": RequantLane,  # inside post
    "layernorm": LayerNorm,  # inside vector, which has the multipliers that it shares
    "softmax": Softmax,  # likewise
    "load": Load,
    "store": Store,
    "shell": Shell,  # sequencer, LOAD, STORE, AXI, registers
    "scratchpad": scratchpad,
    "weight_buffer": WeightBuffer,
    "bridge": lambda config: Bridge(config, 1 << 20),  # host link without its serial line
    "uart": lambda _: Uart(33),
    "arbiter": Arbiter,  # of accelerator and host link at the memory
}
COLUMNS = ("unit", "COMB", "FF", "DSP", "RAM", "MHz, median", "MHz by seed", "critical path")

HOW = (
    "`make bench`: preset {preset}, each unit synthesised by itself with Yosys and routed in a "
    f"registered harness with nextpnr on an LFE5U-85F of speed grade 6, target {TARGET_MHZ} MHz. "
    "COMB = LUT4 + 2 CCU2C + 6 DPR16X4 of the bare unit, DSP = MULT18X18D, RAM = DP16KD (18 kbit). "
    "The critical path is that of the slowest seed."
)


def main() -> None:
    """Measure the units named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("units", nargs="*", choices=[[], *UNITS], default=[])
    parser.add_argument("--preset", choices=PRESETS, default="demo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asked = parser.parse_args()
    path = DOCS / "units.json"
    for name in asked.units or UNITS:
        component = UNITS[name](PRESETS[asked.preset])
        report = synthesize(component, name, OUT / "synth" / asked.preset, seeds=asked.seeds)
        known = {row["unit"]: row for row in json.loads(path.read_text())} if path.exists() else {}
        figures = (name, report.comb, report.ff, report.dsp, report.ram)
        clocks = (report.fmax_median_mhz, dict(report.fmax_mhz), report.critical_path)
        known[name] = dict(zip(COLUMNS, (*figures, *clocks), strict=True))
        print(f"{name}: {report.comb} COMB, {report.fmax_median_mhz} MHz", flush=True)
        rows = [known[unit] for unit in UNITS if unit in known]
        record("units", "Units on ECP5", HOW.format(preset=asked.preset), COLUMNS, rows)


if __name__ == "__main__":
    main()
