"""Doors of signing in."""
