"""Keys that come into a wallet and leave it: mnemonics, descriptors with or without secrets, single keys.

Refuses to know coins. The caller holds the guard; what is taken in is saved before it is used.
"""

from typing import Final

from wallet import descriptors, hd, mnemonic, signer, sources
from wallet.descriptor_keys import Origin
from wallet.descriptors import Descriptor
from wallet.errors import BAD_PARAMETER, NO_KEY, WalletError
from wallet.hd import ExtendedPrivate
from wallet.sources import Source
from wallet.state import WalletState

ETHER_COIN_TYPE: Final = 60
"""SLIP-44's number, which every account chain uses in its paths."""


def add_seed(state: WalletState, phrase: str, passphrase: str = "") -> None:
    """Take in a mnemonic and watch its eight standard sources. Raises DecodeError, WalletError("wallet-locked")."""
    mnemonic.to_entropy(phrase)
    master = ExtendedPrivate.from_seed(mnemonic.seed(phrase, passphrase))
    plain = signer.mnemonic_secret(phrase, passphrase)
    state.vault.add("mnemonic", master.fingerprint.hex(), plain, state.env.monotonic())
    for source in sources.standard(master, state.net.addresses, state.net.coin_type, state.env.now()):
        state.sources.add(source)
    path = hd.account_path(44, ETHER_COIN_TYPE)
    node = master.derive(path).public
    state.keys.accounts.setdefault("xpub", node.encode(state.net.addresses.bip32_public))
    state.keys.accounts.setdefault("origin", signer.origin_name(Origin(master.fingerprint, path)))
    state.history.adopt()


def import_descriptor(
    state: WalletState,
    text: str,
    active: bool,
    internal: bool,
    label: str | None,
    first: int,
    end: int | None,
    born: int,
) -> Source:
    """Watch a descriptor and keep its secrets. Raises DecodeError, WalletError: bad-parameter, wallet-locked, no-key."""
    style = state.net.addresses
    found = descriptors.parse(text, style, checksum_required=True)
    private_wallet = bool(state.keys.flags.get("private_keys", True))
    if found.has_private and not private_wallet:
        raise WalletError(NO_KEY, "cannot import private keys to a wallet with private keys disabled")
    if private_wallet and not found.has_private:
        raise WalletError(NO_KEY, "cannot import descriptor without private keys to a wallet with private keys enabled")
    if active and not found.is_range:
        raise WalletError(BAD_PARAMETER, "active descriptors must be ranged")
    if found.is_range and label is not None:
        raise WalletError(BAD_PARAMETER, "ranged descriptors should not have a label")
    if internal and label is not None:
        raise WalletError(BAD_PARAMETER, "internal addresses should not have a label")
    public = found.normalised()
    _keep_secrets(state, found)
    if active:
        kind = Source(public, "").kind
        for other in state.sources:
            if other.active and other.internal == internal and other.kind == kind:
                other.active = False
    source = Source(public, public.text(style), internal, active, first, end or 0, born=born, label=label)
    source = state.sources.add(source)
    state.history.adopt()
    state.save()
    return source


def _keep_secrets(state: WalletState, found: Descriptor) -> None:
    now, style = state.env.monotonic(), state.net.addresses
    for key in found.all_keys():
        if key.secret is not None and isinstance(key.base, bytes):
            state.vault.add("key", key.base.hex(), key.secret, now)
        elif isinstance(key.base, ExtendedPrivate):
            origin = key.origin or Origin(key.base.fingerprint, ())
            plain = key.base.encode(style.bip32_private).encode()
            state.vault.add("xprv", signer.origin_name(origin), plain, now)


def export_phrase(state: WalletState) -> str:
    """The mnemonic. Raises WalletError: wallet-locked, no-key."""
    for secret in state.vault.secrets:
        if secret.kind == "mnemonic":
            return signer.read_mnemonic(state.vault.reveal(secret, state.env.monotonic()))[0]
    raise WalletError(NO_KEY, "the wallet was not made from a mnemonic")


def export_descriptor(state: WalletState, source: Source) -> str:
    """A descriptor with its private keys. Raises WalletError: wallet-locked, no-key."""
    found = source.descriptor.map_keys(state.signer().private_form)
    if not found.has_private:
        raise WalletError(NO_KEY, "the wallet has no private key of this descriptor")
    return found.text(state.net.addresses, private=True)


def secret_of(state: WalletState, address: str) -> tuple[bytes, bool]:
    """The private key of an address, and whether its public key is compressed. Raises WalletError."""
    expansion = state.expansion_of(state.script_of(address))
    if expansion is None:
        raise WalletError(NO_KEY, "private key not available: the address is not of this wallet")
    keys = (expansion.internal,) if expansion.internal is not None else expansion.keys
    if len(keys) != 1 or keys[0] is None:
        raise WalletError(NO_KEY, "the address does not belong to a single key")
    found = state.signer()
    found.learn(keys[0])
    secret = found.secret_of(keys[0].public)
    if secret is None:
        raise WalletError(NO_KEY, "the private key of the address is not known")
    return secret, len(keys[0].public) == 33
