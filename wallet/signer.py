"""Finds the secrets of public keys: by the origin of a derived key, or by the key itself.

Lives for one operation, so that what it derived is dropped with it. Refuses to know transactions.
"""

import json
from dataclasses import replace

from primitives import secp256k1
from primitives.hashing import hash160
from wallet import hd, mnemonic
from wallet.descriptor_keys import DerivedKey, Key, Origin
from wallet.hd import ExtendedPrivate
from wallet.vault import Secret, Vault


def origin_name(origin: Origin) -> str:
    """How the vault names the extended key of an origin."""
    return origin.fingerprint.hex() + hd.format_path(origin.path, "h")


def read_origin(name: str) -> Origin:
    """The origin that a name of the vault stands for."""
    fingerprint, _, path = name.partition("/")
    return Origin(bytes.fromhex(fingerprint), hd.parse_path(path))


def mnemonic_secret(phrase: str, passphrase: str) -> bytes:
    """A mnemonic as the vault keeps it."""
    return json.dumps({"phrase": mnemonic.normalise(phrase), "passphrase": passphrase}).encode()


def read_mnemonic(plain: bytes) -> tuple[str, str]:
    """A mnemonic and its passphrase, as the vault keeps them."""
    data = json.loads(plain)
    return data["phrase"], data["passphrase"]


def master_of(secret: Secret, plain: bytes) -> ExtendedPrivate:
    """The extended key that a secret of the vault is, or is the seed of."""
    if secret.kind == "mnemonic":
        return ExtendedPrivate.from_seed(mnemonic.seed(*read_mnemonic(plain)))
    node, _ = hd.decode(plain.decode())
    if not isinstance(node, ExtendedPrivate):
        raise RuntimeError("the vault holds a public key as a secret")
    return node


class Signer:
    """Secrets for the keys that it was told of."""

    def __init__(self, vault: Vault, now: float) -> None:
        self._vault = vault
        self._now = now
        self._keys: dict[bytes, DerivedKey] = {}
        self._hashes: dict[bytes, bytes] = {}
        self._nodes: dict[tuple[str, hd.Path], ExtendedPrivate] = {}
        self._roots = [(read_origin(s.name), s) for s in vault.secrets if s.kind in ("mnemonic", "xprv")]
        self._single = {bytes.fromhex(s.name): s for s in vault.secrets if s.kind == "key"}

    def __repr__(self) -> str:
        return f"Signer({len(self._keys)} keys)"

    def learn(self, key: DerivedKey) -> None:
        """Take note of a key that a signature may be wanted of."""
        self._keys[key.public] = key
        self._keys[key.xonly] = key
        self._hashes[hash160(key.public)] = key.public

    def key_of_hash(self, key_hash: bytes) -> bytes | None:
        """The public key of a hash160, among those it was told of."""
        return self._hashes.get(key_hash)

    def can_sign(self, key: DerivedKey) -> bool:
        """Whether the wallet has the secret, without opening it."""
        return key.public in self._single or any(_leads(origin, key.origin) for origin, _ in self._roots)

    def secret_of(self, public: bytes) -> bytes | None:
        """The secret of a public or x-only key. Raises WalletError("wallet-locked")."""
        key = self._keys.get(public)
        if key is not None and key.secret is not None:
            return key.secret
        single = self._single.get(public if key is None else key.public)
        if single is not None:
            return self._vault.reveal(single, self._now)
        if key is None:
            return None
        for origin, secret in self._roots:
            if _leads(origin, key.origin):
                node = self._node(secret, key.origin.path[len(origin.path) :])
                found = node.public.key
                if key.public in (found, found[1:]) or secp256k1.serialize(found, False) == key.public:
                    return node.key
        return None

    def private_form(self, key: Key) -> Key:
        """A key expression, for export with its secret in it if the vault has that. Raises WalletError("wallet-locked")."""
        if isinstance(key.base, bytes):
            self.learn(key.at(0))
            secret = self.secret_of(key.base)
            if secret is not None:
                return replace(key, secret=secret)
        else:
            origin = key.origin or Origin(key.base.fingerprint, ())
            for root, secret_at in self._roots:
                if _leads(root, origin):
                    node = self._node(secret_at, origin.path[len(root.path) :])
                    if node.public == key.base.public:
                        return replace(key, base=node)
        return key

    def _node(self, secret: Secret, path: hd.Path) -> ExtendedPrivate:
        """The node at a path, its parents kept for the next one."""
        found = self._nodes.get((secret.name, path))
        if found is not None:
            return found
        if path:
            node = self._node(secret, path[:-1]).child(path[-1])
        else:
            node = master_of(secret, self._vault.reveal(secret, self._now))
        if len(path) < 5:
            self._nodes[secret.name, path] = node
        return node


def _leads(root: Origin, leaf: Origin) -> bool:
    return root.fingerprint == leaf.fingerprint and leaf.path[: len(root.path)] == root.path
