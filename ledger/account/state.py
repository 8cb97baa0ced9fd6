"""State: the accounts of one block while it runs (a World of the EVM), over the tries of a root; commit gives the next root.

Knows no transaction and no block rule. Everything that a revert takes back goes through one journal of (dict, key, old value).
Slots are keys as bytes, whose hashes are salted: contracts choose slots, and integers hash alike by design (modulo 2^61 - 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

from ledger.account.trie import Trie, keep
from primitives import rlp
from primitives.errors import SystemFault
from primitives.ethereum import EMPTY_CODE, EMPTY_ROOT, Log
from primitives.ethereum_fields import number
from primitives.hashing import keccak256
from storage.kv import KV
from storage.layout import CODE

RIPEMD: Final = (3).to_bytes(20, "big")


class Account(NamedTuple):
    """What the state trie holds of an account."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


NEW: Final = Account(0, 0, EMPTY_ROOT, EMPTY_CODE)
_ABSENT: Final = object()


def encode_account(account: Account) -> bytes:
    """The RLP that the state trie holds."""
    return rlp.encode([number(account.nonce), number(account.balance), account.storage_root, account.code_hash])


def decode_account(data: bytes) -> Account:
    """Read the RLP that the state trie holds."""
    nonce, balance, storage_root, code_hash = cast(list[bytes], rlp.decode(data))
    return Account(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash)


class State:
    """Accounts over the state trie of `root`. One transaction at a time, each ended by `end_transaction`."""

    __slots__ = (
        "_accounts", "_codes", "_created", "_destroyed", "_dirty", "_journal", "_kv", "_logs", "_marks", "_original",
        "_read", "_refund", "_seen", "_touched", "_transient", "_trie", "_warm", "_written", "root",
    )  # fmt: skip

    def __init__(self, kv: KV, root: bytes = EMPTY_ROOT) -> None:
        self.root = root
        self._kv = kv
        self._seen: dict[bytes, Any] = {}
        """Trie nodes that were read: the next slot or account mostly lies below the same ones."""
        self._trie = Trie(kv, root, self._seen)
        self._accounts: dict[bytes, Account | None] = {}
        self._codes: dict[bytes, bytes] = {EMPTY_CODE: b""}
        self._read: dict[bytes, dict[bytes, int]] = {}
        """Slots as the storage trie has them."""
        self._written: dict[bytes, dict[bytes, int]] = {}
        """Slots written since the last commit."""
        self._dirty: set[bytes] = set()
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []
        self._marks: list[tuple[int, int, int]] = []
        self._original: dict[bytes, int] = {}
        self._transient: dict[Any, Any] = {}
        self._warm: dict[Any, Any] = {}
        self._created: dict[Any, Any] = {}
        self._destroyed: dict[Any, Any] = {}
        self._touched: dict[Any, Any] = {}
        self._logs: list[Log] = []
        self._refund = 0

    # accounts

    def account(self, address: bytes) -> Account | None:
        """The account's fields, None where it is not in the state; the storage root is that of the last commit."""
        try:
            return self._accounts[address]
        except KeyError:
            data = self._trie.get(keccak256(address))
            account = None if data is None else decode_account(data)
            self._accounts[address] = account
            return account

    def exists(self, address: bytes) -> bool:
        """Whether the account is in the state, be it empty."""
        return self.account(address) is not None

    def is_dead(self, address: bytes) -> bool:
        """Whether the account is absent, or has no nonce, balance and code (EIP-161)."""
        account = self.account(address)
        return account is None or _is_empty(account)

    def balance(self, address: bytes) -> int:
        """The balance in wei."""
        account = self.account(address)
        return 0 if account is None else account[1]

    def nonce(self, address: bytes) -> int:
        """The nonce."""
        account = self.account(address)
        return 0 if account is None else account[0]

    def code_hash(self, address: bytes) -> bytes:
        """The hash of the code; that of no bytes for an account without code."""
        account = self.account(address)
        return EMPTY_CODE if account is None else account[3]

    def code(self, address: bytes) -> bytes:
        """The code."""
        account = self.account(address)
        return b"" if account is None else self.code_of(account[3])

    def code_of(self, code_hash: bytes) -> bytes:
        """The code with this hash. Raises SystemFault where it is not stored."""
        code = self._codes.get(code_hash)
        if code is None:
            code = self._kv.get(CODE + code_hash)
            if code is None:
                raise SystemFault(f"missing code {code_hash.hex()}")
            self._codes[code_hash] = code
        return code

    def _set(self, address: bytes, account: Account | None) -> None:
        accounts = self._accounts
        self._journal.append((accounts, address, accounts.get(address, _ABSENT)))
        accounts[address] = account
        self._dirty.add(address)

    def set_balance(self, address: bytes, value: int) -> None:
        """Set the balance, and touch the account."""
        nonce, _, root, code_hash = self.account(address) or NEW
        self._set(address, Account(nonce, value, root, code_hash))
        self._mark(self._touched, address)

    def add_balance(self, address: bytes, value: int) -> None:
        """Credit an account, and touch it."""
        self.set_balance(address, self.balance(address) + value)

    def set_nonce(self, address: bytes, value: int) -> None:
        """Set the nonce."""
        _, balance, root, code_hash = self.account(address) or NEW
        self._set(address, Account(value, balance, root, code_hash))

    def set_code(self, address: bytes, code: bytes) -> None:
        """Set the code."""
        nonce, balance, root, _ = self.account(address) or NEW
        code_hash = keccak256(code)
        self._codes[code_hash] = code
        self._set(address, Account(nonce, balance, root, code_hash))

    def touch(self, address: bytes) -> None:
        """Mark an account that took part in a call; an absent one comes to exist, empty."""
        if self.account(address) is None:
            self._set(address, NEW)
        self._mark(self._touched, address)

    def create_account(self, address: bytes) -> None:
        """Begin a contract: keep the balance, drop all storage, remember that this transaction created it."""
        account = self.account(address) or NEW
        self._set(address, Account(0, account.balance, EMPTY_ROOT, EMPTY_CODE))
        self._drop_storage(address)
        self._mark(self._created, address)

    def is_created(self, address: bytes) -> bool:
        """Whether this transaction created the contract (EIP-6780)."""
        return address in self._created

    def destroy(self, address: bytes) -> None:
        """Mark the account to be removed, with its storage, when the transaction ends."""
        self._mark(self._destroyed, address)

    def is_destroyed(self, address: bytes) -> bool:
        """Whether the account is marked to be removed."""
        return address in self._destroyed

    # storage

    def storage(self, address: bytes, slot: int) -> int:
        """The value of a slot."""
        return self._stored(address, slot.to_bytes(32, "big"))

    def _stored(self, address: bytes, slot: bytes) -> int:
        written = self._written.get(address)
        if written is not None:
            value = written.get(slot)
            if value is not None:
                return value
        account = self.account(address)
        if account is None or account[2] == EMPTY_ROOT:
            return 0
        read = self._read.get(address)
        if read is None:
            read = self._read[address] = {}
        value = read.get(slot)
        if value is None:
            data = Trie(self._kv, account[2], self._seen).get(keccak256(slot))
            value = read[slot] = 0 if data is None else int.from_bytes(cast(bytes, rlp.decode(data)), "big")
        return value

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Set the value of a slot."""
        place = slot.to_bytes(32, "big")
        key = address + place
        if key not in self._original:
            self._original[key] = self._stored(address, place)
        if self.account(address) is None:
            self._set(address, NEW)
        written = self._written.get(address)
        if written is None:
            written = self._written[address] = {}
        self._journal.append((written, place, written.get(place, _ABSENT)))
        written[place] = value
        self._dirty.add(address)

    def original_storage(self, address: bytes, slot: int) -> int:
        """The value that the slot had when this transaction began; zero where the account was created in it."""
        if address in self._created:
            return 0
        place = slot.to_bytes(32, "big")
        value = self._original.get(address + place)
        return self._stored(address, place) if value is None else value

    def has_storage(self, address: bytes) -> bool:
        """Whether any slot is not zero (EIP-7610)."""
        account = self.account(address)
        if account is None:
            return False
        return account.storage_root != EMPTY_ROOT or any(self._written.get(address, {}).values())

    def _drop_storage(self, address: bytes) -> None:
        self._journal.append((self._written, address, self._written.get(address, _ABSENT)))
        self._written[address] = {}

    def transient(self, address: bytes, slot: int) -> int:
        """The value of a slot that lives for this transaction only (EIP-1153)."""
        return cast(int, self._transient.get(address + slot.to_bytes(32, "big"), 0))

    def set_transient(self, address: bytes, slot: int, value: int) -> None:
        """Set the value of a transient slot."""
        key = address + slot.to_bytes(32, "big")
        self._journal.append((self._transient, key, self._transient.get(key, _ABSENT)))
        self._transient[key] = value

    # what a transaction gathers

    def _mark(self, marks: dict[Any, Any], key: Any) -> None:
        if key not in marks:
            self._journal.append((marks, key, _ABSENT))
            marks[key] = True

    def warm_address(self, address: bytes) -> bool:
        """Warm the address and tell whether it was warm before (EIP-2929)."""
        if address in self._warm:
            return True
        self._journal.append((self._warm, address, _ABSENT))
        self._warm[address] = True
        return False

    def warm_slot(self, address: bytes, slot: int) -> bool:
        """Warm the slot and tell whether it was warm before (EIP-2929)."""
        key = address + slot.to_bytes(32, "big")
        if key in self._warm:
            return True
        self._journal.append((self._warm, key, _ABSENT))
        self._warm[key] = True
        return False

    def warmed(self) -> Iterator[tuple[bytes, tuple[int, ...]]]:
        """The addresses that are warm, each with its warm slots (eth_createAccessList)."""
        slots: dict[bytes, list[int]] = {}
        for key in self._warm:
            slots.setdefault(key[:20], []).extend([int.from_bytes(key[20:], "big")] if key[20:] else ())
        return ((address, tuple(found)) for address, found in slots.items())

    def add_log(self, address: bytes, topics: tuple[bytes, ...], data: bytes) -> None:
        """Add a log."""
        self._logs.append(Log(address, topics, data))

    @property
    def logs(self) -> tuple[Log, ...]:
        """The logs of this transaction so far."""
        return tuple(self._logs)

    def add_refund(self, gas: int) -> None:
        """Change the refund counter."""
        self._refund += gas

    @property
    def refund(self) -> int:
        """The refund counter."""
        return self._refund

    def snapshot(self) -> int:
        """A point to which `revert` can lead back."""
        self._marks.append((len(self._journal), len(self._logs), self._refund))
        return len(self._marks) - 1

    def revert(self, snapshot: int) -> None:
        """Take back everything since a snapshot, but a touch of the RIPEMD-160 precompile (EIP-161 as deployed)."""
        length, logs, self._refund = self._marks[snapshot]
        del self._marks[snapshot:], self._logs[logs:]
        journal = self._journal
        keeps_touch = False
        while len(journal) > length:
            table, key, old = journal.pop()
            if old is _ABSENT:
                del table[key]
                keeps_touch |= key == RIPEMD and table is self._touched
            else:
                table[key] = old
        if keeps_touch:
            self._touched[RIPEMD] = True

    # a transaction's life

    def begin_transaction(self, warm: Iterable[bytes]) -> None:
        """Begin with these addresses warm; what is warm now stays so through every revert."""
        self._warm = dict.fromkeys(warm, True)

    def end_transaction(self, clears_empty: bool) -> None:
        """Remove destroyed accounts, and touched empty ones where the fork does (EIP-161); forget the transaction."""
        gone = set(self._destroyed)
        if clears_empty:
            gone.update(a for a in self._touched if (account := self.account(a)) is not None and _is_empty(account))
        for address in gone:
            self._accounts[address] = None
            self._written.pop(address, None)
            self._read.pop(address, None)
            self._dirty.add(address)
        self._forget()

    def _forget(self) -> None:
        self._journal.clear()
        self._marks.clear()
        self._logs.clear()
        self._refund = 0
        for table in (self._original, self._transient, self._warm, self._created, self._destroyed, self._touched):
            table.clear()

    def commit(self) -> bytes:
        """Write every change into the tries; returns the new root. Only between transactions."""
        if self._marks:
            raise SystemFault("commit within a transaction")
        self._journal.clear()
        for address in self._dirty:
            account = self._accounts[address]
            key = keccak256(address)
            if account is None:
                self._trie.delete(key)
                continue
            written = self._written.get(address)
            if written:
                account = account._replace(storage_root=self._commit_storage(address, account.storage_root, written))
                self._accounts[address] = account
            if account.code_hash != EMPTY_CODE:
                self._keep_code(account.code_hash)
            self._trie.put(key, encode_account(account))
        self._dirty.clear()
        self._written.clear()
        self.root = self._trie.commit()
        return self.root

    def _commit_storage(self, address: bytes, root: bytes, written: dict[bytes, int]) -> bytes:
        trie = Trie(self._kv, root)
        for slot, value in written.items():
            key = keccak256(slot)
            if value:
                trie.put(key, rlp.encode(number(value)))
            else:
                trie.delete(key)
        new_root = trie.commit()
        if root == EMPTY_ROOT:
            self._read[address] = {}
        self._read.setdefault(address, {}).update(written)
        return new_root

    def _keep_code(self, code_hash: bytes) -> None:
        key = CODE + code_hash
        if self._kv.get(key) is None:
            keep(self._kv, key, self._codes[code_hash])

    # reads of a committed state

    def storage_trie(self, address: bytes) -> Trie:
        """The storage trie of an account, as of the last commit; its keys are hashes of slots."""
        account = self.account(address)
        return Trie(self._kv, EMPTY_ROOT if account is None else account.storage_root)

    def prove(self, address: bytes, slots: Iterable[int]) -> tuple[list[bytes], list[list[bytes]]]:
        """Proofs of an account and of slots of its storage, as of the last commit (EIP-1186)."""
        storage = self.storage_trie(address)
        return (
            self._trie.prove(keccak256(address)),
            [storage.prove(keccak256(slot.to_bytes(32, "big"))) for slot in slots],
        )


def _is_empty(account: Account) -> bool:
    return not account[0] and not account[1] and account[3] == EMPTY_CODE
