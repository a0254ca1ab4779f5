"""Area and routed clock of the depthwise engine by itself; see `vitaccel.flow.synth`."""

import argparse
import json

from record import DOCS, OUT, record

from vitaccel.config import AcceleratorConfig
from vitaccel.flow.synth import TARGET_MHZ, synthesize
from vitaccel.hw.depthwise.depthwise import Depthwise

BASE = AcceleratorConfig(
    rows=12, columns=12, depthwise_taps=3, depthwise_cycles=3, depthwise_width=256, table_slots=4
)
VARIANTS = {
    "3 taps, 4 bits": BASE,
    "5 taps, 4 bits": BASE.replace(depthwise_taps=5),
    "3 taps, 8 bits, in blocks": BASE.replace(depthwise_bits=8, depthwise_products="blocks"),
}
COLUMNS = (
    "engine", "MACs a cycle", "COMB", "COMB a MAC", "FF", "DSP", "RAM", "MHz, median",
    "MHz by seed", "critical path",
)  # fmt: skip
HOW = (
    "`make bench-efficientvit`: 12 lanes, rows of up to 256 pixels, 3 x 3 and 5 x 5 kernels, "
    "requantisation of a word in 3 cycles in multiplier blocks, 4 tables; synthesised with Yosys "
    "and routed in a registered harness with nextpnr on an LFE5U-85F of speed grade 6, target "
    f"{TARGET_MHZ} MHz. COMB = LUT4 + 2 CCU2C + 6 DPR16X4 of the whole bare unit, DSP = "
    "MULT18X18D, RAM = DP16KD (18 kbit). The critical path is that of the slowest seed."
)


def main() -> None:
    """Measure the engines named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", choices=[[], *VARIANTS], default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asked = parser.parse_args()
    path = DOCS / "depthwise.json"
    for name in asked.engines or VARIANTS:
        config = VARIANTS[name]
        folder = OUT / "synth" / name.replace(", ", "-").replace(" ", "_")
        report = synthesize(Depthwise(config), "depthwise", folder, seeds=asked.seeds)
        known = (
            {row["engine"]: row for row in json.loads(path.read_text())} if path.exists() else {}
        )
        macs = config.rows * config.depthwise_taps
        area = (report.comb, round(report.comb / macs, 1), report.ff, report.dsp, report.ram)
        clocks = (report.fmax_median_mhz, dict(report.fmax_mhz), report.critical_path)
        known[name] = dict(zip(COLUMNS, (name, macs, *area, *clocks), strict=True))
        rows = [known[engine] for engine in VARIANTS if engine in known]
        record("depthwise", "Depthwise engine on ECP5", HOW, COLUMNS, rows)


if __name__ == "__main__":
    main()
