"""Neutral components over vendor cells, and the small arithmetic that everything uses."""
