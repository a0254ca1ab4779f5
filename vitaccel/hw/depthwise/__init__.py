"""Depthwise engine: convolutions in which every filter sees one channel."""
