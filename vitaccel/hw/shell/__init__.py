"""Everything around the compute units: sequencer, semaphores, DMA, registers."""
