"""Doors of single sign-on."""
