"""Quantisation: float Network and calibration images to QNetwork."""

from golden.quantize.main import quantize

__all__ = ["quantize"]
