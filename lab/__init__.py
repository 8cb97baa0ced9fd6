"""Floor 7: experiments on nodes under virtual time, over simulated networks, from a seed."""
