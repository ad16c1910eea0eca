"""Doors of teaching: libraries, cases, the editor, courses and results."""
