"""Keys, coins and signatures of a user, on any chain family. Knows no node and no network."""
