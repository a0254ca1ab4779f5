"""Platform of Gowin FPGAs for the tools that are maintained: nextpnr-himbaechel and Apicula."""

from amaranth.vendor import GowinPlatform

__all__ = ["HimbaechelGowinPlatform"]

_CLOCKS = """
{% for signal, frequency in platform.iter_signal_clock_constraints() -%}
    {% set net = signal|hierarchy(".") -%}
    create_clock -name {{signal.name}} -period {{1e9 / frequency}} [get_nets {{net}}]
{% endfor %}
{% for port, frequency in platform.iter_port_clock_constraints() -%}
    create_clock -name {{port.name}} -period {{1e9 / frequency}} [get_ports {{port.name}}]
{% endfor %}
"""
_ROUTE = """
{{invoke_tool("nextpnr-himbaechel-gowin")}}
    --device {{platform.part}}
    --json {{name}}.json
    --sdc {{name}}.sdc
    --vopt family={{platform.device}}
    --vopt cst={{name}}.cst
    --write {{name}}.pnr.json
"""
_PACK = """
{{invoke_tool("gowin_pack")}}
    -d {{platform.device}}
    {{get_override("gowin_pack_opts")|options}}
    {{name}}.pnr.json
    -o {{name}}.fs
"""


class HimbaechelGowinPlatform(GowinPlatform):
    """Amaranth's platform calls nextpnr-gowin, which is gone, and constrains no clock for it."""

    @property
    def device(self) -> str:
        """Die, as the tools call it: the one with memory in its package has no name of its own."""
        return self.family.replace("R-", "-")

    @property
    def required_tools(self) -> list[str]:
        return ["yosys", "nextpnr-himbaechel-gowin", "gowin_pack"]

    @property
    def file_templates(self) -> dict[str, str]:
        templates = {**super().file_templates, "{{name}}.sdc": _CLOCKS}
        series = "gw2a" if self.family.startswith("GW2A") else "gw1n"
        script = templates["{{name}}.ys"].replace(".syn.json", ".json")
        # Products in LUTs: nextpnr times no path through a multiplier block.
        script = script.replace("synth_gowin", f"synth_gowin -family {series} -nodsp")
        return templates | {"{{name}}.ys": script}

    @property
    def command_templates(self) -> list[str]:
        yosys, *_ = super().command_templates
        return [yosys, _ROUTE, _PACK]
