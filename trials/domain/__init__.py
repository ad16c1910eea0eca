"""Rules of trials in pure Python."""
