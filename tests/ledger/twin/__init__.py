"""The twin chain's rules."""
