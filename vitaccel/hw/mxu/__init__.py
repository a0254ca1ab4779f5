"""Matrix unit: systolic array, its loader, streamer and accumulators."""
