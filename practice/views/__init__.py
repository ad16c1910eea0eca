"""Doors of practice: the list of the day, the read, and progress."""
