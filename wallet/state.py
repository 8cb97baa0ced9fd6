"""The state of one wallet: secrets, descriptors, history, labels; how it is loaded, and written before anything relies on it.

Refuses to know the chain behind it and what transactions are made for. Callers hold `guard` while they change anything.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from primitives import address as addresses
from primitives import secp256k1
from primitives.bitcoin import TxOutput, read_transaction
from primitives.buffer import Reader
from primitives.errors import DecodeError
from wallet import descriptors, file
from wallet.api import CoinNet, WalletEnv
from wallet.cipher import Scrypt
from wallet.descriptors import Expansion
from wallet.errors import BAD_ADDRESS, CORRUPT, EXISTS, NO_KEY, NOT_FOUND, WalletError
from wallet.file import HISTORY_FILE, WALLET_FILE, Cache, Keys
from wallet.history import Coin, History, Record
from wallet.signer import Signer
from wallet.signing import InputData
from wallet.sources import GAP, Owner, Source, Sources
from wallet.vault import Vault

CHECKPOINT: Final = 60.0
"""Seconds between two writes of the history, which a scan could tell again."""


class WalletState:
    """All that a wallet knows."""

    def __init__(self, name: str, folder: Path, env: WalletEnv, net: CoinNet, keys: Keys, gap: int = GAP) -> None:
        self.name = name
        self.folder = folder
        self.env = env
        self.net = net
        self.keys = keys
        self.guard = threading.RLock()
        self.vault = Vault(keys.secrets, keys.lock, env.random)
        self.sources = Sources(net.addresses, gap)
        self.history: History[Owner] = History(self.sources.owner_of, net.maturity)
        self.frozen: set[bytes] = {bytes.fromhex(point) for point in keys.frozen}
        self.reserved: set[bytes] = set()
        self.apart: Callable[[], Collection[bytes]] = frozenset
        """The coins that are kept for something else than payments, such as minting."""
        self._addresses: dict[bytes, str | None] = {}
        self._written = env.monotonic()
        self._dirty = False

    def __repr__(self) -> str:
        return f"WalletState({self.name!r}, {len(self.sources.all)} descriptors)"

    # Loading and saving.

    @classmethod
    def exists(cls, folder: Path, env: WalletEnv) -> bool:
        """Whether there is a wallet in a folder."""
        return env.disk.read(folder / WALLET_FILE) is not None

    @classmethod
    def create(cls, name: str, folder: Path, env: WalletEnv, net: CoinNet, gap: int, **flags: Any) -> "WalletState":
        """A wallet without keys, not written yet. Raises WalletError("wallet-exists")."""
        if cls.exists(folder, env):
            raise WalletError(EXISTS, f"there is a wallet in {folder} already")
        return cls(name, folder, env, net, Keys(net.name, env.now(), flags={"gap": gap, **flags}), gap)

    @classmethod
    def load(cls, name: str, folder: Path, env: WalletEnv, net: CoinNet) -> "WalletState":
        """The wallet in a folder. Raises WalletError: not-found, wallet-corrupt, wallet-too-new."""
        data = env.disk.read(folder / WALLET_FILE)
        if data is None:
            raise WalletError(NOT_FOUND, f"there is no wallet in {folder}")
        keys = file.read_keys(data)
        if keys.chain != net.name:
            raise WalletError(CORRUPT, f"this is a wallet of {keys.chain}, not of {net.name}")
        state = cls(name, folder, env, net, keys, int(keys.flags.get("gap", GAP)))
        cache = state._read_cache()
        for saved in keys.sources:
            state._restore_source(saved, cache)
        if cache is not None and keys.scan_from is None:
            state.history.tip, state.history.recent = cache.tip, cache.recent
        for record in cache.records if cache is not None else ():
            if keys.scan_from is not None:
                record = replace(record, place=None, rival=None)
            state.history.remember(record)
        for sent in keys.sent:
            tx = read_transaction(Reader(bytes.fromhex(sent["tx"])), timed=bool(sent.get("timed")))
            state.history.see(tx, int(sent["received"]))
        return state

    def _read_cache(self) -> Cache | None:
        data = self.env.disk.read(self.folder / HISTORY_FILE)
        if data is None:
            return None
        try:
            cache = file.read_cache(data)
        except DecodeError:
            return None  # the chain will tell it again
        return cache if cache.chain == self.keys.chain else None

    def _restore_source(self, saved: dict[str, Any], cache: Cache | None) -> None:
        source = Source(
            descriptors.parse(saved["descriptor"], self.net.addresses),
            saved["descriptor"],
            saved["internal"],
            saved["active"],
            saved["next"],
            saved["end"],
            saved["born"],
            saved["label"],
            cache.seen.get(saved["descriptor"], 0) if cache is not None else 0,
        )
        source.next = max(source.next, source.seen)
        self.sources.add(source, cache.scripts.get(source.text) if cache is not None else None)

    def save(self) -> None:
        """Write the wallet file, atomically and synced."""
        keys = self.keys
        keys.lock, keys.secrets = self.vault.lock, list(self.vault.secrets)
        keys.frozen = sorted(point.hex() for point in self.frozen)
        keys.sources = [
            {
                "descriptor": s.text,
                "internal": s.internal,
                "active": s.active,
                "next": s.next,
                "end": s.end,
                "born": s.born,
                "label": s.label,
            }
            for s in self.sources
        ]
        self.env.disk.write(self.folder / WALLET_FILE, file.write_keys(keys), 0o600)

    def checkpoint(self, due_only: bool = False) -> None:
        """Write the history file; if only when due, then only when something changed and the last time is a while ago."""
        now = self.env.monotonic()
        if due_only and (not self._dirty or now - self._written < CHECKPOINT):
            return
        history = self.history
        scripts = {s.text: s.scripts for s in self.sources if s.is_range}
        seen = {s.text: s.seen for s in self.sources}
        cache = Cache(self.keys.chain, history.tip, dict(history.recent), list(history.records.values()), scripts, seen)
        self.env.disk.write(self.folder / HISTORY_FILE, file.write_cache(cache), 0o600)
        unmined = [s for s in self.keys.sent if self._is_unmined(s["txid"])]
        if len(unmined) != len(self.keys.sent):
            self.keys.sent = unmined
            self.save()
        self._written, self._dirty = now, False

    def _is_unmined(self, txid: str) -> bool:
        record = self.history.records.get(bytes.fromhex(txid))
        return record is not None and record.place is None

    def encrypt(self, passphrase: str, stretch: Scrypt) -> None:
        """Seal all secrets and write the file in which no plain one is left. Raises WalletError."""
        self.vault.encrypt(passphrase, stretch)
        self.save()

    # What the chain tells.

    def observe(self, touched: Iterable[Record]) -> bool:
        """Widen what is watched where addresses were used; if it grew, the same transactions must be looked at again."""
        self._dirty = True
        return self._widen(touched)

    def _widen(self, records: Iterable[Record]) -> bool:
        grew = False
        for record in records:
            for out in record.tx.outputs:
                owner = self.sources.owner_of(out.script)
                if owner is not None:
                    grew |= self.sources.mark_seen(owner)
        return grew

    # Addresses.

    def give_out(self, source: Source, save: bool = True) -> tuple[Owner, bytes]:
        """The next script of a source, written as given out before it is returned; whoever says otherwise saves before
        anybody hears of it. Raises WalletError("wallet-corrupt")."""
        owner, script = self.sources.take(source)
        if self.sources.expansion(owner).script != script:
            raise WalletError(CORRUPT, "the history file holds scripts that are not of this wallet; remove it")
        if save:
            self.save()
        return owner, script

    def script_of(self, address: str) -> bytes:
        """The script that an address stands for. Raises WalletError("bad-address") with the reason."""
        try:
            return addresses.decode(address, self.net.addresses)
        except DecodeError as e:
            raise WalletError(BAD_ADDRESS, str(e)) from None

    def address_of(self, script: bytes) -> str | None:
        """The address of a script, if it has one. Those of our own scripts are asked for again and again, and kept."""
        if script in self._addresses:
            return self._addresses[script]
        address = addresses.encode(script, self.net.addresses)
        if self.sources.owner_of(script) is not None:
            self._addresses[script] = address
        return address

    def label_of(self, script: bytes) -> str | None:
        """The label of a script; None where it has none: somebody else's, change, or an address not given out."""
        address = self.address_of(script)
        entry = self.keys.labels.get(address) if address is not None else None
        if entry is not None:
            return entry["label"]
        owner = self.sources.owner_of(script)
        if owner is None or owner.source.internal:
            return None
        if owner.source.label is not None:
            return owner.source.label
        return "" if not owner.source.is_range or owner.number < owner.source.next else None

    def is_change(self, script: bytes) -> bool:
        """Whether a script of ours was made for change: nobody was told of it."""
        return self.sources.owner_of(script) is not None and self.label_of(script) is None

    # Keys.

    def expansion_of(self, script: bytes) -> Expansion | None:
        """All that spends a script of ours, except secrets."""
        owner = self.sources.owner_of(script)
        return None if owner is None else self.sources.expansion(owner)

    def signer(self) -> Signer:
        """A signer for one operation. Raises WalletError("no-key") where real money would be signed for by the slow twin of
        the curve library, which is not constant in time."""
        if not secp256k1.CONSTANT_TIME and self.net.real:
            raise WalletError(NO_KEY, "keys of a real network need libsecp256k1 (coincurve), which is not installed")
        return Signer(self.vault, self.env.monotonic())

    def input_data(self, output: TxOutput, signer: Signer | None = None) -> InputData:
        """What is known of an input that spends an output; the signer learns the keys that it wants."""
        expansion = self.expansion_of(output.script)
        if expansion is None:
            return InputData(output)
        return expansion_data(expansion, output, signer)

    def can_spend(self, coin: Coin[Owner]) -> bool:
        """Whether the wallet could sign for a coin, were it unlocked."""
        d = coin.owner.source.descriptor
        return d.is_solvable and bool(self.keys.flags.get("private_keys", True))


def expansion_data(expansion: Expansion, output: TxOutput, signer: Signer | None = None) -> InputData:
    """What an expansion says of an input that spends an output of its script."""
    data = InputData(output, redeem=expansion.redeem or b"", witness_script=expansion.witness_script or b"")
    if expansion.internal is not None:
        data.internal, data.merkle_root = expansion.internal.xonly, expansion.merkle_root
        data.leaves = {leaf.control: (leaf.script, leaf.version) for leaf in expansion.leaves}
    if signer is not None:
        for key in (*expansion.keys, *((expansion.internal,) if expansion.internal is not None else ())):
            signer.learn(key)
    return data
