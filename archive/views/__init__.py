"""Doors for people: archives, studies, deliveries, quarantine, upload."""
