"""The accounts of a wallet, from the same seed as its coins: addresses, signatures, and sends whose nonces never clash.

Refuses to know the node: it asks an AccountSource. A key is on disk before its address is given out.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, Protocol

from primitives.address import account_decode, account_encode
from primitives.errors import ChainError, DecodeError
from primitives.ethereum_tx import (
    BLOB,
    Authorization,
    BlobSidecar,
    EthereumTransaction,
    account_of,
    authorize,
    decode_transaction,
)
from primitives.secp256k1 import serialize
from wallet import hd, keystore, messages, signer, spend_account, typed_data
from wallet.cipher import Stretch
from wallet.descriptor_keys import DerivedKey
from wallet.errors import BAD_ADDRESS, BAD_PARAMETER, NO_KEY, NOT_FOUND, REJECTED, WalletError
from wallet.spend_account import Call, Fees, Nonces
from wallet.state import WalletState

GAS_MARGIN: Final = 120
"""Hundredths of the estimate that a transaction may use, since the state moves until it is mined."""
KEPT: Final = 500
"""How many sent transactions the wallet file keeps: the chain has the others."""


class AccountSource(Protocol):
    """The account chain as the wallet sees it."""

    def chain_id(self) -> int:
        """The chain id of EIP-155."""
        ...

    def pending_nonce(self, account: bytes) -> int:
        """How many transactions an account has sent, those of the mempool included."""
        ...

    def mined_nonce(self, account: bytes) -> int:
        """How many transactions of an account are mined."""
        ...

    def balance(self, account: bytes) -> int:
        """Wei at the tip."""
        ...

    def fees(self) -> Fees:
        """What to offer now."""
        ...

    def estimate_gas(self, sender: bytes, call: Call) -> int:
        """The gas that a call takes. Raises ChainError with the reason where it reverts."""
        ...

    def submit(self, tx: EthereumTransaction) -> None:
        """Hand a transaction to the mempool. Raises ChainError where it is refused."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """An account whose key the wallet has."""

    address: bytes
    label: str
    path: str | None  # None: imported

    @property
    def text(self) -> str:
        """The address with its checksum (EIP-55)."""
        return account_encode(self.address)


@dataclass(frozen=True, slots=True)
class SendTerms:
    """How to send; what is None is chosen by the wallet."""

    kind: int | None = None
    gas_limit: int | None = None
    fees: Fees | None = None
    nonce: int | None = None
    max_fee: int = spend_account.MAX_FEE
    delegate: bytes | None = None  # whose code the sender wants to run as its own (EIP-7702)


class Accounts:
    """The account side of a wallet."""

    def __init__(self, state: WalletState, chain: AccountSource) -> None:
        self._state = state
        self._chain = chain
        self._nonces = Nonces()
        self._derived: list[DerivedKey] = []

    def __repr__(self) -> str:
        return f"Accounts({self._state.name!r})"

    @property
    def _book(self) -> dict[str, Any]:
        return self._state.keys.accounts

    # Which there are.

    def _keys(self, count: int) -> list[DerivedKey]:
        """The first so many keys of the seed's account; an index without a key is left out."""
        text = self._book.get("xpub")
        if text is None:
            return []
        node, _ = hd.decode(text)
        chain = node.public.derive((0,))
        origin = signer.read_origin(self._book["origin"])
        while len(self._derived) < count:
            index = len(self._derived)
            self._derived.append(DerivedKey(chain.child(index).key, origin.extend((0, index))))
        return self._derived[:count]

    def all(self) -> list[Account]:
        """The accounts that were given out or imported."""
        with self._state.guard:
            labels = self._book.get("labels", {})
            found = []
            for key in self._keys(int(self._book.get("count", 0))):
                address = account_of(serialize(key.public, False))
                found.append(Account(address, labels.get(address.hex(), ""), "m" + hd.format_path(key.origin.path)))
            for secret in self._state.vault.secrets:
                if secret.kind == "account":
                    found.append(Account(bytes.fromhex(secret.name), labels.get(secret.name, ""), None))
            return found

    def new(self, label: str = "") -> Account:
        """The next account of the seed, on disk before it is returned. Raises WalletError("no-key") without a seed."""
        state = self._state
        with state.guard:
            count = int(self._book.get("count", 0)) + 1
            if len(self._keys(count)) < count:
                raise WalletError(NO_KEY, "the wallet has no seed to derive accounts from")
            self._book["count"] = count
            key = self._keys(count)[-1]
            address = account_of(serialize(key.public, False))
            if label:
                self._book.setdefault("labels", {})[address.hex()] = label
            state.save()
            return Account(address, label, "m" + hd.format_path(key.origin.path))

    def set_label(self, address: bytes, label: str) -> None:
        """Name an account. Raises WalletError("not-found")."""
        with self._state.guard:
            self._find(address)
            self._book.setdefault("labels", {})[address.hex()] = label
            self._state.save()

    def _find(self, address: bytes) -> Account:
        for account in self.all():
            if account.address == address:
                return account
        raise WalletError(NOT_FOUND, f"unknown account {account_encode(address)}")

    @staticmethod
    def read(text: str) -> bytes:
        """The address that a text is. Raises WalletError("bad-address") with the reason."""
        try:
            return account_decode(text)
        except DecodeError as e:
            raise WalletError(BAD_ADDRESS, str(e)) from None

    # Keys in and out.

    def import_secret(self, secret: bytes, label: str = "") -> Account:
        """Take in a private key. Raises DecodeError, WalletError("wallet-locked")."""
        state = self._state
        address = keystore.address_of(secret)
        with state.guard:
            if any(a.address == address for a in self.all()):
                return self._find(address)
            state.vault.add("account", address.hex(), secret, state.env.monotonic())
            if label:
                self._book.setdefault("labels", {})[address.hex()] = label
            state.save()
            return Account(address, label, None)

    def import_keystore(self, text: str, password: str, label: str = "") -> Account:
        """Take in the key of a Web3 keystore. Raises DecodeError, WalletError: wrong-passphrase, unsafe-keystore."""
        return self.import_secret(keystore.decrypt(text, password).rjust(32, b"\x00"), label)

    def export_keystore(self, address: bytes, password: str, random: Random, stretch: Stretch | None = None) -> str:
        """The key of an account as a Web3 keystore. Raises WalletError: wallet-locked, not-found."""
        return keystore.encrypt(self.secret_of(address), password, random, stretch)

    def secret_of(self, address: bytes) -> bytes:
        """The private key of an account. Raises WalletError: wallet-locked, not-found, no-key."""
        state = self._state
        with state.guard:
            account = self._find(address)
            if account.path is None:
                held = next(s for s in state.vault.secrets if s.kind == "account" and s.name == address.hex())
                return state.vault.reveal(held, state.env.monotonic())
            found = state.signer()
            for key in self._keys(int(self._book.get("count", 0))):
                if account_of(serialize(key.public, False)) == address:
                    found.learn(key)
                    secret = found.secret_of(key.public)
                    if secret is not None:
                        return secret
        raise WalletError(NO_KEY, "the private key of the account is not known")

    # Signatures.

    def sign_personal(self, address: bytes, message: bytes) -> bytes:
        """A personal message's signature (EIP-191)."""
        return messages.sign_personal(message, self.secret_of(address))

    def authorize(self, address: bytes, code: bytes, nonce: int, chain_id: int | None = None) -> Authorization:
        """An account's leave to run the code of another address as its own (EIP-7702); chain id 0 holds on every chain."""
        number = self._chain.chain_id() if chain_id is None else chain_id
        return authorize(self.secret_of(address), number, code, nonce)

    def sign_typed(self, address: bytes, data: Any) -> bytes:
        """The signature of typed data (EIP-712). Raises DecodeError for data that do not fit their types, or another chain."""
        digest = typed_data.digest(data)
        named = data.get("domain", {}).get("chainId") if isinstance(data.get("domain"), dict) else None
        if named is not None and typed_data.integer(named, "uint256") != self._chain.chain_id():
            raise DecodeError("the typed data are for another chain")
        return messages.sign_digest(digest, self.secret_of(address))

    def sign(self, address: bytes, tx: EthereumTransaction) -> EthereumTransaction:
        """A transaction signed by an account; its signature leads back to it."""
        return spend_account.sign_checked(tx, self.secret_of(address))

    # Sends.

    def send(
        self, address: bytes, call: Call, terms: SendTerms | None = None, submit: bool = True
    ) -> EthereumTransaction:
        """Build, sign, save and hand over. A refused transaction gives its nonce back.

        Raises WalletError: wallet-locked, bad-fee, rejected.
        """
        terms = terms or SendTerms()
        secret = self.secret_of(address)
        fees = terms.fees or self._chain.fees()
        gas = terms.gas_limit or self._estimate(address, self.completed(address, call, terms))
        if terms.nonce is not None or not submit:
            nonce = self._chain.pending_nonce(address) if terms.nonce is None else terms.nonce
            return self._send_at(nonce, call, gas, fees, terms, secret, submit)
        with self._nonces.take(address, self._chain.pending_nonce(address)) as nonce:
            return self._send_at(nonce, call, gas, fees, terms, secret, submit)

    def completed(self, address: bytes, call: Call, terms: SendTerms) -> Call:
        """The call as it would be sent now, with the sender's own authorization. Raises WalletError("wallet-locked")."""
        if terms.delegate is None:
            return call
        nonce = self._chain.pending_nonce(address) if terms.nonce is None else terms.nonce
        secret = self.secret_of(address)
        return spend_account.delegating(call, secret, self._chain.chain_id(), terms.delegate, nonce)

    def _estimate(self, address: bytes, call: Call) -> int:
        try:
            estimate = self._chain.estimate_gas(address, call)
        except ChainError as e:
            raise WalletError(REJECTED, f"the call would fail: {e}") from None
        return estimate if estimate == spend_account.TRANSFER_GAS else estimate * GAS_MARGIN // 100

    def _send_at(
        self, nonce: int, call: Call, gas: int, fees: Fees, terms: SendTerms, secret: bytes, submit: bool
    ) -> EthereumTransaction:
        if terms.delegate is not None:
            call = spend_account.delegating(call, secret, self._chain.chain_id(), terms.delegate, nonce)
        tx = spend_account.build(call, nonce, gas, fees, self._chain.chain_id(), terms.kind, terms.max_fee)
        signed = spend_account.sign_checked(tx, secret)
        if submit:
            self._hand_over(signed)
        return signed

    def _hand_over(self, tx: EthereumTransaction) -> None:
        state = self._state
        with state.guard:
            entry = {"hash": tx.id.hex(), "raw": tx.raw.hex(), "time": state.env.now()}
            self._book["sent"] = [*self._book.get("sent", ()), entry][-KEPT:]
            state.save()
        try:
            self._chain.submit(tx)
        except ChainError as e:
            with state.guard:
                self._book["sent"] = [entry for entry in self._book["sent"] if entry["hash"] != tx.id.hex()]
                state.save()
            raise WalletError(REJECTED, str(e)) from None

    def sent(self) -> list[EthereumTransaction]:
        """What was sent from this wallet, oldest first."""
        with self._state.guard:
            return [decode_transaction(bytes.fromhex(entry["raw"])) for entry in self._book.get("sent", [])]

    def replace(
        self, tx_hash: bytes, fees: Fees | None = None, cancel: bool = False, sidecar: BlobSidecar | None = None
    ) -> EthereumTransaction:
        """Send the same transaction with higher fees, or a transfer of nothing in its place. Raises WalletError.

        The wallet does not keep blobs: those of a blob transaction are given again.
        """
        old = next((tx for tx in self.sent() if tx.id == tx_hash), None)
        if old is None:
            raise WalletError(NOT_FOUND, "the wallet did not send this transaction")
        if old.nonce < self._chain.mined_nonce(old.sender):
            raise WalletError(BAD_PARAMETER, "the transaction has been mined, or its nonce was used by another one")
        offered = spend_account.replacement_fees(old, fees or self._chain.fees())
        if cancel:
            tx = spend_account.cancel(old, old.sender, offered)
        else:
            if old.kind == BLOB and sidecar is None:
                raise WalletError(BAD_PARAMETER, "the blobs of a transaction are not kept: give them again")
            tx = replace(spend_account.replace_fees(old, offered), sidecar=sidecar)
        signed = spend_account.sign_checked(tx, self.secret_of(old.sender))
        self._hand_over(signed)
        return signed
