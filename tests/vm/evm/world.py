"""A World of dictionaries for tests and benchmarks of the machine; it knows no trie."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from primitives.hashing import keccak256

RIPEMD160 = (3).to_bytes(20, "big")


class MemoryWorld:
    """Keeps everything in dictionaries, and old values in a journal."""

    def __init__(self, accounts: dict[bytes, dict[str, Any]] | None = None) -> None:
        self.accounts: dict[bytes, dict[str, Any]] = {}
        for address, fields in (accounts or {}).items():
            self.accounts[address] = {"nonce": 0, "balance": 0, "code": b"", "storage": {}, **deepcopy(fields)}
        self.original = {a: dict(fields["storage"]) for a, fields in self.accounts.items()}
        self.transients: dict[tuple[bytes, int], int] = {}
        self.marks: set[tuple[Any, ...]] = (
            set()
        )  # ("warm", address[, slot]), ("created", ..), ("destroyed", ..), ("touched", ..)
        self.logs: list[tuple[bytes, tuple[bytes, ...], bytes]] = []
        self.refund = 0
        self.journal: list[tuple[Any, ...]] = []

    def begin_transaction(self) -> None:
        """Forget what lives for one transaction only."""
        self.original = {a: dict(fields["storage"]) for a, fields in self.accounts.items()}
        self.transients.clear()
        self.marks.clear()
        self.logs.clear()
        self.refund = 0
        self.journal.clear()

    def _account(self, address: bytes) -> dict[str, Any]:
        found = self.accounts.get(address)
        if found is None:
            found = self.accounts[address] = {"nonce": 0, "balance": 0, "code": b"", "storage": {}}
            self.journal.append(("account", address))
        return found

    def _set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        self.journal.append(("set", mapping, key, mapping.get(key)))
        mapping[key] = value

    def _mark(self, mark: tuple[Any, ...]) -> bool:
        if mark in self.marks:
            return True
        self.marks.add(mark)
        self.journal.append(("mark", mark))
        return False

    def exists(self, address: bytes) -> bool:
        return address in self.accounts

    def is_dead(self, address: bytes) -> bool:
        found = self.accounts.get(address)
        return found is None or not (found["nonce"] or found["balance"] or found["code"])

    def balance(self, address: bytes) -> int:
        found = self.accounts.get(address)
        return int(found["balance"]) if found else 0

    def set_balance(self, address: bytes, value: int) -> None:
        self._set(self._account(address), "balance", value)
        self._mark(("touched", address))

    def nonce(self, address: bytes) -> int:
        found = self.accounts.get(address)
        return int(found["nonce"]) if found else 0

    def set_nonce(self, address: bytes, value: int) -> None:
        self._set(self._account(address), "nonce", value)

    def code(self, address: bytes) -> bytes:
        found = self.accounts.get(address)
        return bytes(found["code"]) if found else b""

    def code_hash(self, address: bytes) -> bytes:
        return keccak256(self.code(address))

    def set_code(self, address: bytes, code: bytes) -> None:
        self._set(self._account(address), "code", code)

    def storage(self, address: bytes, slot: int) -> int:
        found = self.accounts.get(address)
        return (found["storage"].get(slot) or 0) if found else 0

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        self._set(self._account(address)["storage"], slot, value)

    def original_storage(self, address: bytes, slot: int) -> int:
        return 0 if self.is_created(address) else self.original.get(address, {}).get(slot, 0)

    def has_storage(self, address: bytes) -> bool:
        found = self.accounts.get(address)
        return found is not None and any(found["storage"].values())

    def transient(self, address: bytes, slot: int) -> int:
        return self.transients.get((address, slot)) or 0

    def set_transient(self, address: bytes, slot: int, value: int) -> None:
        self._set(self.transients, (address, slot), value)

    def touch(self, address: bytes) -> None:
        self._account(address)
        self._mark(("touched", address))

    def create_account(self, address: bytes) -> None:
        self._set(self._account(address), "storage", {})
        self._mark(("created", address))

    def is_created(self, address: bytes) -> bool:
        return ("created", address) in self.marks

    def destroy(self, address: bytes) -> None:
        self._mark(("destroyed", address))

    def is_destroyed(self, address: bytes) -> bool:
        return ("destroyed", address) in self.marks

    def warm_address(self, address: bytes) -> bool:
        return self._mark(("warm", address))

    def warm_slot(self, address: bytes, slot: int) -> bool:
        return self._mark(("warm", address, slot))

    def add_log(self, address: bytes, topics: tuple[bytes, ...], data: bytes) -> None:
        self.logs.append((address, topics, data))
        self.journal.append(("log",))

    def add_refund(self, gas: int) -> None:
        self.journal.append(("refund", self.refund))
        self.refund += gas

    def snapshot(self) -> int:
        return len(self.journal)

    def revert(self, snapshot: int) -> None:
        while len(self.journal) > snapshot:
            kind, *entry = self.journal.pop()
            if kind == "account":
                del self.accounts[entry[0]]
            elif kind == "set":
                mapping, key, old = entry
                if old is None:
                    del mapping[key]
                else:
                    mapping[key] = old
            elif kind == "mark":
                if entry[0] != ("touched", RIPEMD160):
                    self.marks.discard(entry[0])
            elif kind == "log":
                self.logs.pop()
            else:
                self.refund = entry[0]

    def storage_of(self, address: bytes) -> dict[int, int]:
        """Give the slots that are not zero."""
        return {k: v for k, v in self.accounts[address]["storage"].items() if v}

    def touched(self) -> Iterable[bytes]:
        return (mark[1] for mark in self.marks if mark[0] == "touched")
