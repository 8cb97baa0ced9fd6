"""Engines (may a block be made? what does it weigh?) and fork choice."""
