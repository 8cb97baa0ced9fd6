"""The addresses of a wallet: new ones, their labels, and what is known of each.

Refuses to know coins. The caller holds the guard.
"""

from dataclasses import dataclass

from wallet import hd, listing
from wallet.errors import BAD_PARAMETER, NOT_FOUND, WalletError
from wallet.state import WalletState


@dataclass(frozen=True, slots=True)
class AddressInfo:
    """What the wallet knows of an address."""

    address: str
    script: bytes
    is_mine: bool
    solvable: bool
    is_change: bool
    labels: tuple[str, ...]
    descriptor: str | None = None
    parent: str | None = None
    public_key: bytes | None = None
    fingerprint: bytes | None = None
    path: str | None = None
    redeem: bytes | None = None
    witness_script: bytes | None = None
    created: int = 0


def new_address(state: WalletState, kind: str | None, internal: bool, label: str = "") -> str:
    """An address nobody was told of, on disk before it is returned. Raises WalletError: bad-parameter, not-found."""
    source = state.sources.active(kind or state.net.default_kind, internal)
    _, script = state.give_out(source)
    address = state.address_of(script)
    if address is None:
        raise WalletError(BAD_PARAMETER, "this descriptor has no addresses")
    if label:
        state.keys.labels[address] = {"label": label, "purpose": "receive"}
        state.save()
    return address


def set_label(state: WalletState, address: str, label: str) -> None:
    """Name an address, ours or another's. Raises WalletError("bad-address")."""
    purpose = "receive" if state.sources.owner_of(state.script_of(address)) is not None else "send"
    state.keys.labels[address] = {"label": label, "purpose": purpose}
    state.save()


def labels(state: WalletState, purpose: str | None = None) -> list[str]:
    """All labels in use, of one purpose if it is named."""
    found = {e["label"] for e in state.keys.labels.values() if purpose in (None, e["purpose"])}
    if purpose in (None, "receive"):
        found.update(label for _, label in listing.addresses(state))
    return sorted(found)


def labelled(state: WalletState, label: str | None = None) -> dict[str, str]:
    """The addresses with a label (or all that have one) and their purpose. Raises WalletError("not-found") for none."""
    found = {address: "receive" for address, name in listing.addresses(state) if label in (None, name)}
    for address, entry in state.keys.labels.items():
        if label in (None, entry["label"]):
            found[address] = entry["purpose"]
    if label is not None and not found:
        raise WalletError(NOT_FOUND, f"no addresses with label {label}")
    return found


def info(state: WalletState, address: str) -> AddressInfo:
    """What the wallet knows of an address. Raises WalletError("bad-address")."""
    script = state.script_of(address)
    owner = state.sources.owner_of(script)
    label = state.label_of(script)
    if owner is None:
        entry = state.keys.labels.get(address)
        return AddressInfo(address, script, False, False, False, (entry["label"],) if entry else ())
    expansion = state.sources.expansion(owner)
    keys = (expansion.internal,) if expansion.internal is not None else expansion.keys
    single = keys[0] if len(keys) == 1 else None
    return AddressInfo(
        address,
        script,
        True,
        owner.source.descriptor.is_solvable,
        label is None,
        () if label is None else (label,),
        state.sources.concrete(owner),
        owner.source.text,
        single.public if single is not None else None,
        single.origin.fingerprint if single is not None else None,
        "m" + hd.format_path(single.origin.path, "h") if single is not None else None,
        expansion.redeem,
        expansion.witness_script,
        owner.source.born,
    )
