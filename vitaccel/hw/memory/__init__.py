"""On-chip memories and the walks that address them."""
