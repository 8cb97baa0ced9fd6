"""State transition: which blocks and transactions are lawful, and what they change."""
