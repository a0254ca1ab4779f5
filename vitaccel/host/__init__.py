"""Host side: one driver for every way of reaching an accelerator."""

from vitaccel.host.driver import Driver, Transport

__all__ = ["Driver", "Transport"]
