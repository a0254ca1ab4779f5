"""Post-processing: bias, residual, requantisation, table."""
