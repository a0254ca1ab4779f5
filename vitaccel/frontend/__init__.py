"""PyTorch models to float networks: export, translation, and what to say when that fails."""

from vitaccel.frontend.export import check, from_module, from_pt2
from vitaccel.frontend.interpret import Finding

__all__ = ["Finding", "check", "from_module", "from_pt2"]
