"""`flow.synth`: counts of the bare component, clock in the harness, words for the slow path."""

import json
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from vitaccel.errors import BuildError
from vitaccel.flow import nextpnr, synth

ROUTER = """#!/bin/sh
while [ $# -gt 0 ]; do
    [ "$1" = --seed ] && seed=$2
    [ "$1" = --report ] && report=$2
    shift
done
echo run >> runs
[ "$seed" = 13 ] && { echo "ERROR: no place for cell"; exit 1; }
sed "s/MHZ/8$seed.04/" %s > $report
"""


class Mac(wiring.Component):
    """Multiply, accumulate, look up: one of everything."""

    a: Signal
    b: Signal
    o: Signal

    def __init__(self) -> None:
        super().__init__({"a": In(18), "b": In(18), "o": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.table = table = memory.Memory(shape=32, depth=1024, init=[])
        write, read = table.write_port(), table.read_port()
        product, total = Signal(36), Signal(32)
        m.d.sync += [
            product.eq(self.a * self.b),
            total.eq(total + product),
            self.o.eq(read.data),
        ]
        m.d.comb += [
            write.addr.eq(self.a),
            write.data.eq(total),
            write.en.eq(self.b[0]),
            read.addr.eq(self.b),
            read.en.eq(1),
        ]
        return m


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place-and-route tool that reports one known path at 8<seed>.04 MHz."""

    def hop(kind: str, delay: float, cell: str, port: str, net: str = "") -> dict:
        end = {"cell": cell, "port": port}
        return {"type": kind, "delay": delay, "from": end, "to": end} | (
            {"net": net} if net else {}
        )

    path = [
        hop("clk-to-q", 0.5, "dut.total_TRELLIS_FF_Q_3", "Q"),
        hop("routing", 2.0, "x", "A", "dut.total[3]"),
        hop("logic", 0.25, "dut.total_CCU2C_S0_2", "FCO"),
        hop("routing", 0.0, "x", "FCI", "dut.total_CCU2C_S0_COUT"),
        hop("logic", 0.25, "dut.o_LUT4_Z", "F"),
        hop("routing", 1.0, "x", "DI", "dut.o_LUT4_Z_A$[1]"),
        hop("setup", 0.0, "dut.o_TRELLIS_FF_Q", "DI"),
    ]
    answer = {
        "fmax": {"clk": {"achieved": "MHZ", "constraint": 100}},
        "critical_paths": [
            {
                "from": "<async>",
                "to": "posedge clk",
                "path": [hop("routing", 99.0, "pin", "O", "i")],
            },
            {"from": "posedge clk", "to": "posedge clk", "path": path},
        ],
    }
    (tmp_path / "answer.json").write_text(json.dumps(answer).replace('"MHZ"', "MHZ"))
    tool = tmp_path / "router"
    tool.write_text(ROUTER % (tmp_path / "answer.json"))
    tool.chmod(0o755)
    monkeypatch.setenv("NEXTPNR_ECP5", str(tool))
    return tmp_path


def test_report_of_a_small_component(router: Path) -> None:
    report = synth.synthesize(Mac(), "mac", router / "out", seeds=(2, 5, 1))
    assert (report.dsp, report.ram) == (1, 2)
    assert report.ff == report.cells["TRELLIS_FF"] == 36 + 32 + 32 + 36 + 36
    assert report.comb == report.cells["LUT4"] + 2 * report.cells["CCU2C"]
    assert report.cells["CCU2C"] == 16
    assert report.fmax_mhz == {2: 82.0, 5: 85.0, 1: 81.0}
    assert report.fmax_median_mhz == 82.0
    assert report.critical_path == (
        "total to o: 4.0 ns, 3.0 of it routing, 1 LUTs and 1 carry steps; "
        "through total[3], total, o"
    )
    assert report.as_json()["fmax_mhz"]["5"] == 85.0
    json.dumps(report.as_json())

    # The harness feeds every input (a, b and rst) and takes every output.
    text = (router / "out" / "mac" / "harness.v").read_text()
    assert "reg [36:0] feed" in text
    assert "wire [31:0] out" in text
    cells = json.loads((router / "out" / "mac" / "harness.json").read_text())
    module = cells["modules"]["harness"]
    kinds = [cell["type"] for cell in module["cells"].values()]
    assert kinds.count("MULT18X18D") == 1
    assert kinds.count("DP16KD") == 2


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("core.sum[3]", "core.sum[3]"),
        ("dut.total_CCU2C_S0_COUT", "total"),
        ("core.words.0.1_RDATA[13]", "core.words"),
        ("core.words.0.12_RDATA_4_SB_LUT4_I3_O", "core.words"),
        ("core.words.0.1_RAM", "core.words"),
        ("core.low.cell_B_6_SB_LUT4_O", "core.low.cell"),
        ("$PACKER_VCC", ""),
    ],
)
def test_names_in_words(name: str, signal: str) -> None:
    assert nextpnr._plain(name) == signal


def test_known_netlists_and_seeds_are_not_run_again(router: Path) -> None:
    folder = router / "out"
    runs = folder / "mac" / "runs"
    first = synth.synthesize(Mac(), "mac", folder, seeds=(1, 2))
    assert synth.synthesize(Mac(), "mac", folder, seeds=(1, 2)) == first
    assert runs.read_text().count("run") == 2
    synth.synthesize(Mac(), "mac", folder, seeds=(3,))
    assert runs.read_text().count("run") == 3


def test_a_design_that_cannot_be_routed_is_an_error(router: Path) -> None:
    with pytest.raises(BuildError) as caught:
        synth.synthesize(Mac(), "mac", router / "out", seeds=(13,))
    assert str(caught.value) == (
        "mac: place and route, seed 13, failed, see "
        f"{router / 'out' / 'mac' / 'seed13.log'}: ERROR: no place for cell"
    )
    assert caught.value.exit_code == 5


@pytest.mark.synth
@pytest.mark.slow
def test_really_routed(tmp_path: Path) -> None:
    report = synth.synthesize(Mac(), "mac", tmp_path, seeds=(1,))
    assert 90 < report.fmax_mhz[1] < 250
    assert " ns, " in report.critical_path
