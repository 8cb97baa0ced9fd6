"""The ground floor: what can be hashed or encoded, whatever the chain. Knows no rule of any of them."""
