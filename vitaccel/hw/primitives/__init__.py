"""Neutral components over vendor cells; the default of each is inferred logic."""
