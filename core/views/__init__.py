"""Doors of the shell, by what they open."""
