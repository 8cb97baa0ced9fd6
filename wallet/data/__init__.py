"""Word lists. `english.txt` is the list of BIP39 (MIT licence)."""
