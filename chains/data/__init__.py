"""Genesis files of public chains, as geth writes them."""
