"""The account ledger: Ethereum's state transition, from Frontier on."""
