"""The catalogue: networks as values."""
