"""The doors of access, by what they open: accounts, tokens, people."""
