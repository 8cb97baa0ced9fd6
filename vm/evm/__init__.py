"""The Ethereum virtual machine of every fork. It knows a World, not a trie."""
