"""Script that writes LiteDRAM's controller of an SDRAM chip: Verilog, and how to start it.

`vitaccel.flow.sdram` runs it as a process of its own: LiteX prints, and keeps state in its modules.
It reads ``request.json`` in the working directory and writes ``controller.v`` and
``controller.json`` there.
"""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from litedram import gen, modules, phy
from litedram.init import get_sdram_phy_init_sequence
from litedram.phy.model import get_sdram_phy_settings
from litex.build.lattice import LatticePlatform
from litex.build.sim import SimPlatform

NAME = "litedram_core"
FPGA = "LFE5U-25F"  # any of its family: the cells are the same
WORD_BYTES = 4  # of the control bus, which counts words
# What `sdram_init` of LiteX' software writes to DFII's control register.
BY_SOFTWARE = "DFII_CONTROL_CKE|DFII_CONTROL_ODT|DFII_CONTROL_RESET_N"
BY_HARDWARE = "DFII_CONTROL_SEL"
BITS = {
    "DFII_CONTROL_SEL": 1,
    "DFII_CONTROL_CKE": 2,
    "DFII_CONTROL_ODT": 4,
    "DFII_CONTROL_RESET_N": 8,
    "DFII_COMMAND_CS": 1,
    "DFII_COMMAND_WE": 2,
    "DFII_COMMAND_CAS": 4,
    "DFII_COMMAND_RAS": 8,
}


def _core(request: dict[str, Any]) -> Any:
    """LiteX design of the request."""
    config = {
        "cpu": None,
        "memtype": "SDR",
        "sdram_module": getattr(modules, request["chip"]),
        "sdram_module_nb": request["width"],
        "sdram_rank_nb": 1,
        "sdram_phy": phy.GENSDRPHY,
        "sys_clk_freq": request["hz"],
        # As wide as the chip: LiteDRAM's own converter loses every third cycle.
        "user_ports": {"bus": {"type": "axi", "data_width": 8 * request["width"], "id_width": 1}},
    }
    if not request["simulated"]:
        return gen.LiteDRAMCore(LatticePlatform(FPGA, io=[], toolchain="trellis"), config)
    # LiteDRAM asks LiteX' simulator for a function of its own, and that imports far more packages.
    sys.modules["litex.tools.litex_sim"] = SimpleNamespace(  # pyright: ignore[reportArgumentType]
        get_sdram_phy_settings=get_sdram_phy_settings
    )
    return gen.LiteDRAMCore(SimPlatform("", io=[]), config)


def _value(names: str) -> int:
    return sum(BITS[name] for name in names.split("|"))


def _setup(core: Any) -> list[tuple[int, int, int]]:
    """Word address, value, cycles to wait behind it: what LiteX' software does at start."""
    bases = {name: region.origin for name, region in core.csr_regions.items()}
    places = {
        f"{block}_{register.name}": base // WORD_BYTES + n
        for block, base in bases.items()
        for n, register in enumerate(core.csr_regions[block].obj)
    }

    def write(register: str, value: int, wait: int = 0) -> tuple[int, int, int]:
        return places[register], value, wait

    settings = core.sdram.controller.settings.phy
    sequence, _ = get_sdram_phy_init_sequence(settings, core.sdram.controller.settings.timing)
    steps = [write("sdram_dfii_control", _value(BY_SOFTWARE))]
    for _, address, bank, command, wait in sequence:
        steps += [
            write("sdram_dfii_pi0_address", address),
            write("sdram_dfii_pi0_baddress", bank),
        ]
        if command.startswith("DFII_CONTROL"):
            steps.append(write("sdram_dfii_control", _value(command), wait))
        else:
            steps += [
                write("sdram_dfii_pi0_command", _value(command)),
                write("sdram_dfii_pi0_command_issue", 1, wait),
            ]
    return [
        *steps,
        write("sdram_dfii_control", _value(BY_HARDWARE)),
        write("ddrctrl_init_done", 1),
    ]


def main() -> None:
    """Do what the request asks."""
    request = json.loads(Path("request.json").read_text())
    core = _core(request)
    core.finalize()
    text = str(core.platform.get_verilog(core, name=NAME, regular_comb=False))
    # Around the module are the date and whatever repository is here; what is in comments comes in
    # another order every time.
    module = text[text.index(f"module {NAME}") : text.rindex("endmodule")]
    module = re.sub(r"/\*.*?\*/", "", module, flags=re.DOTALL)
    Path("controller.v").write_text(f"{module}endmodule\n")
    Path("controller.json").write_text(json.dumps(_setup(core)))


if __name__ == "__main__":
    main()
