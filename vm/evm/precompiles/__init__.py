"""Contracts that the machine carries out itself: each file gives Precompile records. They know no frame and no world."""
