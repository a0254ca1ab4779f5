"""AXI4 master, and a memory that answers it in simulation."""
