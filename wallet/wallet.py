"""A wallet of coins: made or opened from a folder, fed by a chain, asked and told by RPC methods and the command line.

Refuses to know JSON and the node: it asks a ChainSource, and hears of blocks through four events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from primitives.bitcoin import Transaction, TxOutput
from wallet import address_book, keyring, listing, messages, mnemonic, psbt_roles, scripts, wallet_psbt
from wallet.address_book import AddressInfo
from wallet.api import ChainSource, CoinNet, Progress, WalletEnv
from wallet.bumping import Bumped, Bumper
from wallet.cipher import Scrypt
from wallet.errors import BAD_ADDRESS, BAD_PARAMETER, NOT_FOUND, WRONG_STATE, WalletError
from wallet.history import Balances, Record
from wallet.psbt import Psbt
from wallet.scan import Scanner
from wallet.signing import InputData
from wallet.sources import GAP, Source
from wallet.spend_utxo import Payment
from wallet.spending import SendOptions, Sent, Spender
from wallet.state import WalletState


@dataclass(frozen=True, slots=True)
class WalletInfo:
    """A wallet at a glance."""

    name: str
    tx_count: int
    keypool: int
    keypool_internal: int
    encrypted: bool
    unlocked_for: float | None  # seconds left; 0 while locked; None if not encrypted
    private_keys: bool
    scanning: float | None  # progress of a scan, 0 to 1
    created: int
    height: int


class Wallet:
    """The whole wallet. Every method may be called from any thread; none holds the guard while it asks the chain."""

    def __init__(self, state: WalletState, chain: ChainSource, stretch: Scrypt | None = None) -> None:
        self.state = state
        self.scanner = Scanner(state, chain)
        self.spender = Spender(state, chain)
        self.bumper = Bumper(state, self.spender)
        self._stretch = stretch or Scrypt()
        self.on_block_connected = self.scanner.on_block_connected
        self.on_block_disconnected = self.scanner.on_block_disconnected
        self.on_mempool_added = self.scanner.on_mempool_added
        self.on_mempool_removed = self.scanner.on_mempool_removed

    def __repr__(self) -> str:
        return f"Wallet({self.name!r})"

    @property
    def name(self) -> str:
        """The wallet's name."""
        return self.state.name

    # Made, opened, closed.

    @classmethod
    def create(
        cls,
        name: str,
        folder: Path,
        env: WalletEnv,
        net: CoinNet,
        chain: ChainSource,
        *,
        passphrase: str = "",
        phrase: str | None = None,
        phrase_passphrase: str = "",
        private_keys: bool = True,
        blank: bool = False,
        scan_from: int | None = None,
        gap: int = GAP,
        stretch: Scrypt | None = None,
    ) -> "Wallet":
        """A new wallet on disk: from a new mnemonic of 12 words, or one that is restored (then `scan_from` says from where).

        Raises WalletError("wallet-exists"), DecodeError for a phrase that is none.
        """
        state = WalletState.create(name, folder, env, net, gap, private_keys=private_keys)
        wallet = cls(state, chain, stretch)
        if private_keys and not blank:
            if phrase is None:
                phrase = mnemonic.generate(env.random, 12)
            else:
                mnemonic.to_entropy(phrase)
                scan_from = 0 if scan_from is None else scan_from
            keyring.add_seed(state, phrase, phrase_passphrase)
        if passphrase:
            state.vault.encrypt(passphrase, wallet._stretch)
        if scan_from is None:
            wallet.scanner.start_at_tip()
        else:
            state.keys.scan_from = scan_from
        state.save()
        state.checkpoint()
        return wallet

    @classmethod
    def open(
        cls,
        name: str,
        folder: Path,
        env: WalletEnv,
        net: CoinNet,
        chain: ChainSource,
        stretch: Scrypt | None = None,
    ) -> "Wallet":
        """The wallet in a folder, not yet in step with the chain: call `resume`. Raises WalletError."""
        return cls(WalletState.load(name, folder, env, net), chain, stretch)

    def resume(self, progress: Progress | None = None) -> None:
        """Come into step with the chain: after opening, restoring, or a scan that was cut off."""
        self.scanner.resume(progress)

    def close(self) -> None:
        """Write what is not written, and lock."""
        state = self.state
        with state.guard:
            state.checkpoint()
            state.save()
            state.vault.close()

    def backup(self, target: Path) -> None:
        """Copy the wallet file, which holds all that a scan cannot tell again."""
        state = self.state
        with state.guard:
            state.save()
            data = state.env.disk.read(state.folder / "wallet.json")
            if data is None:
                raise WalletError(NOT_FOUND, "the wallet file is gone")
            state.env.disk.write(target, data, 0o600)

    # Locked and unlocked.

    def encrypt(self, passphrase: str) -> None:
        """Set a passphrase; the wallet is locked afterwards. Raises WalletError: wrong-encryption-state, bad-parameter."""
        with self.state.guard:
            self.state.encrypt(passphrase, self._stretch)

    def unlock(self, passphrase: str, seconds: float) -> None:
        """Open the secrets for a time of the monotonic clock. Raises WalletError: wrong-passphrase, wrong-encryption-state."""
        self.state.vault.open(passphrase, self.state.env.monotonic(), seconds)

    def lock(self) -> None:
        """Close the secrets. Raises WalletError("wrong-encryption-state") for a wallet without passphrase."""
        if not self.state.vault.is_encrypted:
            raise WalletError(WRONG_STATE, "the wallet is not encrypted, so it cannot be locked")
        self.state.vault.close()

    def change_passphrase(self, old: str, new: str) -> None:
        """Another passphrase. Raises WalletError: wrong-passphrase, wrong-encryption-state, bad-parameter."""
        self.state.vault.change_passphrase(old, new)
        with self.state.guard:
            self.state.save()

    @property
    def is_encrypted(self) -> bool:
        """Whether a passphrase is set."""
        return self.state.vault.is_encrypted

    @property
    def is_locked(self) -> bool:
        """Whether secrets cannot be read at this moment."""
        return not self.state.vault.is_open(self.state.env.monotonic())

    def info(self) -> WalletInfo:
        """A wallet at a glance."""
        state = self.state
        with state.guard:
            now, height = state.env.monotonic(), state.history.tip.height
            left = max(0.0, state.vault.open_until - now) if state.vault.is_open(now) else 0.0
            pools = [
                sum(s.end - s.next for s in state.sources if s.active and s.internal == way) for way in (False, True)
            ]
            target, reached = self.scanner.target, self.scanner.reached
            return WalletInfo(
                self.name,
                len(state.history.records),
                pools[0],
                pools[1],
                self.is_encrypted,
                left if self.is_encrypted else None,
                bool(state.keys.flags.get("private_keys", True)),
                None if target is None else min(1.0, reached / max(1, target)),
                state.keys.created,
                height,
            )

    # Addresses.

    def new_address(self, label: str = "", kind: str | None = None) -> str:
        """An address nobody was told of, on disk before it is returned. Raises WalletError: bad-parameter, not-found."""
        with self.state.guard:
            return address_book.new_address(self.state, kind, False, label)

    def change_address(self, kind: str | None = None) -> str:
        """An address for change."""
        with self.state.guard:
            return address_book.new_address(self.state, kind, True)

    def set_label(self, address: str, label: str) -> None:
        """Name an address, ours or another's. Raises WalletError("bad-address")."""
        with self.state.guard:
            address_book.set_label(self.state, address, label)

    def labels(self, purpose: str | None = None) -> list[str]:
        """All labels in use, of one purpose ("receive", "send") if it is named."""
        with self.state.guard:
            return address_book.labels(self.state, purpose)

    def addresses(self, label: str | None = None) -> dict[str, str]:
        """The addresses with a label (or all that have one) and their purpose. Raises WalletError("not-found") for none."""
        with self.state.guard:
            return address_book.labelled(self.state, label)

    def address_info(self, address: str) -> AddressInfo:
        """What the wallet knows of an address. Raises WalletError("bad-address")."""
        with self.state.guard:
            return address_book.info(self.state, address)

    # Money.

    def balances(self, least_depth: int = 0) -> Balances:
        """Trusted, pending and immature satoshi."""
        with self.state.guard:
            return self.state.history.balances(least_depth)

    def coins(
        self,
        least_depth: int = 1,
        most_depth: int = 9_999_999,
        addresses: Iterable[str] | None = None,
        include_unsafe: bool = True,
    ) -> list[listing.CoinView]:
        """Unspent coins. Raises WalletError("bad-address")."""
        with self.state.guard:
            wanted = None if addresses is None else frozenset(self.state.script_of(a) for a in addresses)
            return listing.coins(self.state, least_depth, most_depth, wanted, include_unsafe)

    def freeze(self, outpoints: Sequence[bytes], frozen: bool = True, persistent: bool = False) -> None:
        """Keep coins from being chosen, or free them. Raises WalletError("bad-parameter") for what is no free coin of ours."""
        state = self.state
        with state.guard:
            for point in outpoints:
                held = point in state.frozen or point in state.reserved
                if point not in state.history.unspent and not (held and not frozen):
                    raise WalletError(BAD_PARAMETER, "unknown transaction, or expected unspent output")
                if not frozen and not held:
                    raise WalletError(BAD_PARAMETER, "expected locked output")
                if frozen and held and not persistent:
                    raise WalletError(BAD_PARAMETER, "output already locked")
            for point in outpoints:
                state.frozen.discard(point)
                state.reserved.discard(point)
                if frozen:
                    (state.frozen if persistent else state.reserved).add(point)
            state.save()

    def unfreeze_all(self) -> None:
        """Free all coins that were kept from being chosen."""
        with self.state.guard:
            self.state.frozen.clear()
            self.state.reserved.clear()
            self.state.save()

    def frozen(self) -> list[bytes]:
        """The outpoints that are kept from being chosen."""
        with self.state.guard:
            return sorted(self.state.frozen | self.state.reserved)

    def send(self, payments: Sequence[Payment], options: SendOptions | None = None, submit: bool = True) -> Sent:
        """Pay. Raises WalletError: wallet-locked, insufficient-funds, bad-fee, dust, no-key, rejected."""
        return self.spender.send(payments, options or SendOptions(), submit)

    def pay(self, address: str, amount: int, options: SendOptions | None = None, subtract_fee: bool = False) -> Sent:
        """Pay satoshi to an address of this network. Raises WalletError, also "bad-address" with the reason."""
        return self.send([Payment(self.state.script_of(address), amount, subtract_fee)], options)

    def sweep(self, address: str, options: SendOptions | None = None) -> Sent:
        """Send all that may be spent to an address; the fee comes off it. Raises WalletError."""
        options = options or SendOptions()
        with self.state.guard:
            coins = self.spender.spendable(options.least_depth, options.include_unsafe)
            points = tuple(coin.outpoint for coin in coins)
            total = sum(coin.value for coin in coins)
            payment = Payment(self.state.script_of(address), total, subtract_fee=True)
            chosen = replace(options, inputs=points, add_inputs=False)
        return self.send([payment], chosen)

    def fund(self, payments: Sequence[Payment], options: SendOptions | None = None) -> Sent:
        """An unsigned transaction that pays, its coins reserved if the options say so. Raises WalletError."""
        options = options or SendOptions()
        rate = self.spender.rate(options)
        with self.state.guard:
            built = self.spender.fund(payments, options, rate)
            self.state.save()
            if options.lock_inputs:
                self.state.reserved.update(built.spent)
            return Sent(built.tx, built.fee, built.change_at)

    def sign(
        self, tx: Transaction, outside: dict[bytes, InputData] | None = None, hash_type: int | None = None
    ) -> tuple[Transaction, list[int]]:
        """Sign what can be signed; the transaction and the inputs that are not finished. Raises WalletError("wallet-locked")."""
        return self.spender.sign(tx, outside, hash_type)

    def commit(self, tx: Transaction, notes: dict[str, str] | None = None) -> None:
        """Record and hand over a transaction that was signed elsewhere. Raises WalletError("rejected")."""
        self.spender.commit(tx, notes)

    def bump(
        self,
        txid: bytes,
        options: SendOptions | None = None,
        submit: bool = True,
        outputs: Sequence[Payment] = (),
        change_at: int | None = None,
    ) -> Bumped:
        """Replace an unmined transaction by one with a higher fee. Raises WalletError."""
        return self.bumper.bump(txid, options or SendOptions(), submit, outputs, change_at)

    def bump_child(
        self,
        txid: bytes,
        options: SendOptions | None = None,
        submit: bool = True,
        package: tuple[int, int] | None = None,
    ) -> Sent:
        """Speed up an unmined transaction by a child that pays for both. Raises WalletError."""
        return self.bumper.bump_child(txid, options or SendOptions(), submit, package)

    def abandon(self, txid: bytes) -> None:
        """Give up a transaction that is neither mined nor in the mempool. Raises WalletError."""
        self.spender.abandon(txid)

    def rebroadcast(self) -> list[bytes]:
        """Hand over again what is neither mined nor in the mempool."""
        return self.spender.rebroadcast()

    # History.

    def transaction(self, txid: bytes) -> listing.TxView:
        """A transaction of the wallet. Raises WalletError("not-found")."""
        with self.state.guard:
            return listing.view(self.state, self._record(txid))

    def view(self, record: Record) -> listing.TxView:
        """A transaction that a movement belongs to."""
        with self.state.guard:
            return listing.view(self.state, record)

    def _record(self, txid: bytes) -> Record:
        record = self.state.history.records.get(txid)
        if record is None:
            raise WalletError(NOT_FOUND, "invalid or non-wallet transaction id")
        return record

    def transactions(self, count: int = 10, skip: int = 0, label: str | None = None) -> list[listing.Movement]:
        """The last movements, oldest first."""
        with self.state.guard:
            return listing.latest(self.state, count, skip, label)

    def since(self, height: int = -1) -> list[listing.Movement]:
        """All movements mined above a height, and those not mined."""
        with self.state.guard:
            return listing.since(self.state, height)

    def received(self, least_depth: int = 1, by_label: bool = False, empty: bool = False) -> list[listing.Received]:
        """What addresses, or labels, were paid in all."""
        with self.state.guard:
            return listing.received(self.state, least_depth, by_label, empty)

    def rescan(self, start: int = 0, progress: Progress | None = None) -> tuple[int, int]:
        """Look at the chain again from a height. Raises WalletError("bad-parameter")."""
        return self.scanner.rescan(start, progress)

    def abort_rescan(self) -> bool:
        """Stop a scan under way; whether there was one."""
        return self.scanner.stop()

    # Keys and descriptors.

    def descriptors(self) -> list[Source]:
        """The descriptors that are watched."""
        with self.state.guard:
            return list(self.state.sources)

    def import_descriptor(
        self,
        text: str,
        *,
        active: bool = False,
        internal: bool = False,
        label: str | None = None,
        first: int = 0,
        end: int | None = None,
        born: int = 0,
    ) -> Source:
        """Watch a descriptor; its private keys go into the vault. What it was paid before, only a rescan tells.

        Raises DecodeError, WalletError: bad-parameter, wallet-locked, no-key.
        """
        with self.state.guard:
            return keyring.import_descriptor(self.state, text, active, internal, label, first, end, born)

    def import_seed(self, phrase: str, passphrase: str = "") -> None:
        """Add the keys of a mnemonic. Raises DecodeError, WalletError: wallet-locked."""
        with self.state.guard:
            keyring.add_seed(self.state, phrase, passphrase)
            self.state.save()

    def export_phrase(self) -> str:
        """The mnemonic of the wallet, which is the whole of its money. Raises WalletError: wallet-locked, no-key."""
        return keyring.export_phrase(self.state)

    def export_descriptor(self, source: Source) -> str:
        """A descriptor with its private keys. Raises WalletError: wallet-locked, no-key."""
        return keyring.export_descriptor(self.state, source)

    def secret_of(self, address: str) -> tuple[bytes, bool]:
        """The private key of an address, and whether its public key is compressed. Raises WalletError."""
        with self.state.guard:
            return keyring.secret_of(self.state, address)

    # Messages.

    def sign_message(self, address: str, message: str, bip322: bool = False) -> str:
        """A signature of a message by the owner of an address: of the legacy form (P2PKH only), or BIP322.

        Raises WalletError: bad-address, no-key, wallet-locked.
        """
        state = self.state
        script = state.script_of(address)
        if not bip322:
            if scripts.pkh_in(script) is None:
                raise WalletError(BAD_ADDRESS, "address does not refer to key: sign for it by BIP322")
            secret, compressed = self.secret_of(address)
            return messages.sign_legacy(message, secret, compressed)
        with state.guard:
            found = state.signer()
            data = state.input_data(TxOutput(0, script), found)
        return messages.sign_bip322(message.encode(), data, found.secret_of, found.key_of_hash)

    # Partially signed transactions.

    def create_psbt(
        self,
        payments: Sequence[Payment],
        options: SendOptions | None = None,
        version: int = 0,
        derivations: bool = True,
    ) -> tuple[Psbt, Sent]:
        """A funded PSBT with all that the wallet knows of it, and its unsigned transaction. Raises WalletError."""
        made = self.fund(payments, options)
        psbt = psbt_roles.create(made.tx, version)
        with self.state.guard:
            wallet_psbt.fill(self.state, psbt, derivations)
        return psbt, made

    def process_psbt(
        self,
        psbt: Psbt,
        *,
        sign: bool = True,
        hash_type: int | None = None,
        derivations: bool = True,
        finalize: bool = True,
    ) -> bool:
        """Update a PSBT in place, sign it, finalize what is complete; whether all is. Raises WalletError."""
        return wallet_psbt.process(
            self.state, psbt, sign=sign, hash_type=hash_type, derivations=derivations, finalize=finalize
        )
