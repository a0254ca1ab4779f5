"""Configuration to Verilog and its sidecar."""

import json
from pathlib import Path
from typing import Any

from vitaccel import __version__, isa
from vitaccel.config import AcceleratorConfig
from vitaccel.files import write_files
from vitaccel.hw.accelerator import Accelerator
from vitaccel.registers import REGISTERS
from vitaccel.verilog import verilog_text

__all__ = ["generate", "sidecar"]

TOP = "vitaccel"


def sidecar(config: AcceleratorConfig, component: Accelerator) -> dict[str, Any]:
    """What a user of the Verilog needs to know and must not guess.

    Configuration, ports, register map (byte offsets), instruction fields, latencies in cycles.
    """
    return {
        "generator": f"vitaccel {__version__}",
        "top": TOP,
        "config": config.model_dump(),
        "config_digest": config.digest(),
        "ports": component.metadata.as_json()["interface"],
        "registers": {name: vars(register) for name, register in REGISTERS.items()},
        "instructions": {
            "bytes": isa.BYTES,
            "opcodes": {op.name: int(op) for op in isa.Op},
            "header": dict(isa.HEADER),
            "fields": {op.name: dict(fields) for op, fields in isa.FIELDS.items()},
        },
        "status": {status.name: int(status) for status in isa.Status},
        "latency_cycles": component.latencies(),
        "multipliers": config.multipliers,
        "macs_per_cycle": config.rows * config.columns,
    }


def generate(config: AcceleratorConfig, folder: Path) -> dict[str, Any]:
    """Write ``vitaccel.v`` and the sidecar ``vitaccel.json``; return the sidecar.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    component = Accelerator(config)
    about = sidecar(config, component)
    text = verilog_text(component, TOP)
    write_files(folder, {f"{TOP}.v": text, f"{TOP}.json": json.dumps(about, indent=1)})
    return about
