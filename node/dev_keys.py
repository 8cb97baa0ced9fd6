"""The keys of local chains: derived from the public phrase that Hardhat and Anvil use too. Nobody may keep money under them."""

from __future__ import annotations

from dataclasses import dataclass

from chains.ethereum import DEV_ACCOUNTS, DEV_PHRASE
from chains.spec import ChainSpec
from primitives import address
from primitives.ethereum_tx import account_of
from primitives.hashing import hash160
from primitives.secp256k1 import public_key
from vm.script.templates import pay_to_witness
from wallet import hd, mnemonic

PATH = "m/44'/60'/0'/0/"
COIN_PATH = "m/84'/1'/0'/0/"
"""BIP84 on a test network: where a wallet that is given the phrase looks first."""


@dataclass(frozen=True, slots=True)
class CoinKey:
    """A key of the coin side: its address, the script that pays it, and the key as it is imported."""

    address: str
    script: bytes
    wif: str


def _secrets(phrase: str, path: str, count: int) -> list[bytes]:
    parent = hd.ExtendedPrivate.from_seed(mnemonic.seed(phrase)).derive(hd.parse_path(path.rstrip("/")))
    return [parent.child(i).key for i in range(count)]


def dev_keys(phrase: str = DEV_PHRASE, count: int = len(DEV_ACCOUNTS)) -> dict[bytes, bytes]:
    """Private keys by address, in order of their index."""
    return {account_of(public_key(s, compressed=False)): s for s in _secrets(phrase, PATH, count)}


def coin_keys(style: address.AddressStyle, phrase: str = DEV_PHRASE, count: int = len(DEV_ACCOUNTS)) -> list[CoinKey]:
    """Keys of the coin side, in order of their index."""
    found = []
    for secret in _secrets(phrase, COIN_PATH, count):
        script = pay_to_witness(0, hash160(public_key(secret)))
        text = address.encode(script, style)
        assert text is not None, "a witness script has an address"
        found.append(CoinKey(text, script, address.wif_encode(secret, True, style)))
    return found


def keys_of(spec: ChainSpec, count: int = len(DEV_ACCOUNTS)) -> dict[bytes, bytes]:
    """The keys that a chain unlocks: none unless its spec says dev."""
    return dev_keys(count=count) if spec.dev_edits and "ethereum" in spec.rpc else {}
