"""The UTXO ledger: Bitcoin's rules over a key-value view, with seams for the families that grew out of them."""
