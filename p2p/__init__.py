"""Floor 2: framing, messages, handshake and peers. It knows no chain rule; blocks and transactions are read by a Format."""
