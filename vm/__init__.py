"""Pure interpreters: Bitcoin script and the EVM. They know no chain, no disk and no network."""
