"""What an archive for de-identified images takes: named sources, and the check of everything they send."""
