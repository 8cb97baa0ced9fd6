"""SHA-256d proof of work: the engine of Bitcoin's networks. A header alone shows its proof.

It refuses to know what is in a block.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Final

from consensus.api import Exhausted, Purse
from consensus.difficulty import MOST_BACK, Retarget, begins_period, earliest, next_bits
from ledger.api import Draft, Stop
from primitives.bitcoin import BitcoinHeader
from primitives.chain import Branch
from primitives.errors import InvalidHeader
from primitives.hashing import NONCES, scan
from primitives.native import native_available
from primitives.target import expand, meets, work
from storage.kv import KV

FIRST_LOOK: Final = 1 << 12
"""Nonces tried before threads are made: enough for a local network, where every second one serves."""


@dataclass(frozen=True, slots=True)
class Sha256d:
    """Bitcoin's engine. Its difficulty rule is a value."""

    rule: Retarget

    @property
    def header_proves(self) -> bool:
        """A header alone shows its proof."""
        return True

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """The compact bits that a child of the tip must claim."""
        return next_bits(self.rule, branch, timestamp)

    def check_header(self, header: BitcoinHeader, branch: Branch[Any]) -> None:
        """The bits are right and the hash is at most their target.

        Raises InvalidHeader with "bad-diffbits", "time-timewarp-attack" or "high-hash".
        """
        expected = next_bits(self.rule, branch, header.timestamp)
        if header.bits != expected:
            raise InvalidHeader("bad-diffbits", f"incorrect proof of work: {header.bits:08x}, {expected:08x} expected")
        if not meets(header.hash, header.bits, self.rule.limit):
            raise InvalidHeader("high-hash", "proof of work failed")
        if self.rule.closed_warp and begins_period(self.rule, branch):
            least = branch.tip.header.timestamp - MOST_BACK
            if header.timestamp < least:
                raise InvalidHeader("time-timewarp-attack", "block's timestamp is too early on diff adjustment block")

    def check_block(self, block: Any, branch: Branch[Any], state: KV) -> bytes:
        """Nothing beyond the header, and nothing to remember."""
        return b""

    def weight(self, header: BitcoinHeader) -> int:
        """The hashes that this block took on average."""
        return work(header.bits)

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """A draft at `now`, or as soon after the tip as the rules allow."""
        timestamp = max(now, earliest(self.rule, branch))
        return Draft(timestamp, next_bits(self.rule, branch, timestamp), payee=purse.payee)

    def seal(self, block: Any, purse: Purse, stop: Stop) -> Any | None | Exhausted:
        """Search all nonces from 0 on, over the purse's threads. None: stopped."""
        header = block.header
        target = expand(header.bits).target.to_bytes(32, "little")
        nonce, _ = scan(header.raw, target, 0, FIRST_LOOK)
        if nonce is None:
            if stop():
                return None
            found = _search(header.raw, target, max(1, purse.threads), stop)
            if not isinstance(found, int):
                return found
            nonce = found
        return replace(block, header=replace(header, nonce=nonce))


def _search(raw: bytes, target: bytes, threads: int, stop: Stop) -> int | None | Exhausted:
    """Thread k of n takes every n-th slice of the nonces, so that the lowest found are found first."""
    size = 1 << 21 if native_available() else 1 << 15
    halt = bytearray(1)

    def work_on(first: int) -> int | None:
        for start in range(FIRST_LOOK + first * size, NONCES, threads * size):
            if halt[0]:
                return None
            if stop():
                halt[0] = 1
                return None
            nonce, _ = scan(raw, target, start, size, halt)
            if nonce is not None:
                halt[0] = 1
                return nonce
        return None

    if threads == 1:
        found = work_on(0)
    else:
        found = None
        with ThreadPoolExecutor(threads, thread_name_prefix="miner") as pool:
            waiting = {pool.submit(work_on, k) for k in range(threads)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    if (nonce := future.result()) is not None and (found is None or nonce < found):
                        found = nonce
    if found is not None:
        return found
    return None if halt[0] else Exhausted()
