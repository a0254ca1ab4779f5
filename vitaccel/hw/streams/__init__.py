"""Parts that move words under valid and ready: queues, buffers, widths."""
