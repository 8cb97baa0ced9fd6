"""The keys of local chains: derived from the public phrase that Hardhat and Anvil use too. Nobody may keep money under them."""

from __future__ import annotations

from chains.ethereum import DEV_ACCOUNTS, DEV_PHRASE
from chains.spec import ChainSpec
from primitives.ethereum_tx import account_of
from primitives.secp256k1 import public_key
from wallet import hd, mnemonic

PATH = "m/44'/60'/0'/0/"


def dev_keys(phrase: str = DEV_PHRASE, count: int = len(DEV_ACCOUNTS)) -> dict[bytes, bytes]:
    """Private keys by address, in order of their index."""
    parent = hd.ExtendedPrivate.from_seed(mnemonic.seed(phrase)).derive(hd.parse_path(PATH.rstrip("/")))
    secrets = [parent.child(i).key for i in range(count)]
    return {account_of(public_key(secret, compressed=False)): secret for secret in secrets}


def keys_of(spec: ChainSpec) -> dict[bytes, bytes]:
    """The keys that a chain unlocks: none unless its spec says dev."""
    return dev_keys() if spec.dev_edits and "ethereum" in spec.rpc else {}
