"""Floor 6: the running thing."""
