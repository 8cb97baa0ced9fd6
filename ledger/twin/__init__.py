"""The twin chain's rules: what holds between a block of coins and the block of accounts in it. Each half's own rules are its ledger's."""
