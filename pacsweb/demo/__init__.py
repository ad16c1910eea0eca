"""Demo content: phantoms with known truth, teaching cases, and the loader that brings them in."""
