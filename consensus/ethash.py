"""Ethash proof of work: the engine of Ethereum before its merge. A header alone shows its proof.

It refuses to know what is in a block. Seals of Ethereum headers lie in the header; another family brings its own `Sealing`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, Self

from consensus.api import Exhausted, Purse
from consensus.ethash_data import MAINNET_SIZES, Caches, Sizes, dataset_size, native
from consensus.ethash_datasets import Datasets, Told
from consensus.ethash_twin import keccak512
from consensus.unsealed import Rule, check_ommer_headers
from ledger.api import Draft, Stop
from primitives.chain import Branch
from primitives.errors import InvalidHeader
from primitives.hashing import keccak256
from storage.kv import KV

NONCES: Final = 1 << 64
_FIRST_LOOK: Final = 64
"""Nonces tried before threads are made: enough for a local network."""
_SLICE: Final = 1 << 12


class Sealing(Protocol):
    """Where a family's headers keep an Ethash seal."""

    def work(self, header: Any) -> bytes:
        """What is sealed: a hash of the header without its seal."""
        ...

    def seal(self, header: Any) -> tuple[int, bytes]:
        """Nonce and mix digest."""
        ...

    def with_seal(self, header: Any, nonce: int, mix: bytes) -> Any:
        """The header, sealed."""
        ...

    def difficulty(self, header: Any) -> int:
        """How many hashes the seal took on average."""
        ...

    def number(self, header: Any, branch: Branch[Any]) -> int:
        """The height of the header's block."""
        ...

    def height(self, block: Any) -> int:
        """The height of a block, as it says itself."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderSealing:
    """Ethereum's own: nonce and mix hash are header fields."""

    def work(self, header: Any) -> bytes:
        """The hash without the two fields."""
        digest: bytes = header.seal_hash
        return digest

    def seal(self, header: Any) -> tuple[int, bytes]:
        """The two fields."""
        return int.from_bytes(header.nonce, "big"), header.mix_hash

    def with_seal(self, header: Any, nonce: int, mix: bytes) -> Any:
        """The header with the two fields set."""
        return replace(header, nonce=nonce.to_bytes(8, "big"), mix_hash=mix)

    def difficulty(self, header: Any) -> int:
        """The claimed difficulty."""
        return int(header.difficulty)

    def number(self, header: Any, branch: Branch[Any]) -> int:
        """The header's own number."""
        return int(header.number)

    def height(self, block: Any) -> int:
        """The header's own number."""
        return int(block.header.number)


def boundary(difficulty: int) -> bytes:
    """The largest result that a seal of this difficulty may have, big-endian."""
    return min((1 << 256) // difficulty, (1 << 256) - 1).to_bytes(32, "big") if difficulty > 1 else b"\xff" * 32


def result_of(work: bytes, nonce: int, mix: bytes) -> bytes:
    """The result that a seal claims; cheap, for it takes the mix digest as given."""
    return keccak256(keccak512(work + nonce.to_bytes(8, "little")) + mix)


def check_seal(work: bytes, nonce: int, mix: bytes, difficulty: int, number: int, sizes: Sizes, caches: Caches) -> None:
    """Whether a seal holds; a cache is built only for a number within bounds and a seal that meets its difficulty.

    Raises InvalidHeader("non-positive difficulty" | "invalid block number" | "invalid proof-of-work" | "invalid mix digest").
    """
    if difficulty <= 0:
        raise InvalidHeader("non-positive difficulty")
    if not 0 <= number < sizes.limit:
        raise InvalidHeader("invalid block number", f"{number} is beyond {sizes.epochs} epochs of Ethash")
    if result_of(work, nonce, mix) > boundary(difficulty):
        raise InvalidHeader("invalid proof-of-work")
    size = dataset_size(number // sizes.epoch_length, sizes)
    found, _ = native.hashimoto(caches.get(number, sizes), size, work, nonce)
    if found != mix:
        raise InvalidHeader("invalid mix digest", f"have {mix.hex()}, want {found.hex()}")


@dataclass(frozen=True, slots=True)
class Ethash:
    """The engine; its difficulty rule, its sizes and the place of the seal are values."""

    rule: Rule
    sizes: Sizes = MAINNET_SIZES
    caches: Caches = field(default_factory=Caches, compare=False)
    sealing: Sealing = field(default_factory=HeaderSealing)
    claimed: Callable[[Any], int] = lambda header: int(header.difficulty)
    wrong: str = "invalid difficulty"
    datasets: Datasets = field(default_factory=Datasets, compare=False)
    """The full datasets that the miner may use."""

    @property
    def header_proves(self) -> bool:
        """A header alone shows its proof."""
        return True

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """What a child of the tip must claim."""
        return self.rule(branch, timestamp)

    def check_header(self, header: Any, branch: Branch[Any]) -> None:
        """The claimed difficulty is right, and the seal holds. Raises InvalidHeader("invalid difficulty") and as `check_seal`."""
        want = self.rule(branch, header.timestamp)
        if self.claimed(header) != want:
            raise InvalidHeader(self.wrong, f"have {self.claimed(header)}, want {want}")
        sealing = self.sealing
        nonce, mix = sealing.seal(header)
        number = sealing.number(header, branch)
        check_seal(sealing.work(header), nonce, mix, sealing.difficulty(header), number, self.sizes, self.caches)

    def check_block(self, block: Any, branch: Branch[Any], state: KV) -> bytes:
        """The ommers' difficulties and seals. Raises InvalidHeader, InvalidBlock."""
        check_ommer_headers(self, block, branch)
        return b""

    def weight(self, header: Any) -> int:
        """The hashes that this block took on average."""
        return self.sealing.difficulty(header)

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """A draft at `now`, or one second after the tip."""
        timestamp = max(now, branch.tip.header.timestamp + 1)
        return Draft(timestamp, self.rule(branch, timestamp), payee=purse.payee)

    def seal(self, block: Any, purse: Purse, stop: Stop) -> Any | None | Exhausted:
        """Search nonces from 0 on over the purse's threads, with the full dataset where there is one. None: stopped."""
        header, sealing = block.header, self.sealing
        work, difficulty = sealing.work(header), sealing.difficulty(header)
        height = sealing.height(block)
        epoch = height // self.sizes.epoch_length
        size, cache = dataset_size(epoch, self.sizes), self.caches.get(height, self.sizes)
        while True:
            dataset = self.datasets.get(epoch, self.sizes, cache, difficulty, stop)
            found = search(cache if dataset is None else dataset, size, work, difficulty, purse.threads, stop)
            if found is None:
                return None
            if dataset is None or native.hashimoto(cache, size, work, found[0])[0] == found[1]:
                return replace(block, header=sealing.with_seal(header, *found))
            self.datasets.drop(epoch, self.sizes)

    def equipped(self, folder: Path | None, always: bool, threads: int, progress: Told) -> Self:
        """The engine with a folder for full datasets (None: memory); `always`: for large sizes too, made by `prepare`."""
        return replace(self, datasets=Datasets(folder, always, threads, progress))

    def prepare(self, height: int, stop: Stop) -> dict[Path, bool]:
        """Make what mining at a height and soon after it takes, where it was asked for: the files, and which are new. Slow."""
        files: dict[Path, bool] = {}
        for number in (height, height + self.sizes.epoch_length // 30):
            epoch = number // self.sizes.epoch_length
            if number < self.sizes.limit and not stop():
                cache = self.caches.get(number, self.sizes)
                files = self.datasets.prepare(epoch, self.sizes, cache, stop) | files
        return files


def search(
    source: Any, size: int, work: bytes, difficulty: int, threads: int, stop: Stop, start: int = 0
) -> tuple[int, bytes] | None:
    """A nonce and its mix digest; None where `stop` said so. Thread k of n takes every n-th slice of the nonces."""
    limit, halt = boundary(difficulty), bytearray(1)
    nonce, mix, _ = native.search(source, size, work, limit, start, _FIRST_LOOK, halt)
    if nonce is not None:
        return nonce, mix
    if stop():
        return None
    slice_ = _SLICE if native.path() != "python" else 4

    def work_on(first: int) -> tuple[int, bytes] | None:
        at = start + _FIRST_LOOK + first * slice_
        while at < NONCES and not halt[0]:
            nonce, mix, _ = native.search(source, size, work, limit, at, slice_, halt)
            if nonce is not None:
                halt[0] = 1
                return nonce, mix
            if stop():
                halt[0] = 1
            at += threads * slice_
        return None

    threads = max(1, threads)
    if threads == 1:
        return work_on(0)
    with ThreadPoolExecutor(threads, thread_name_prefix="miner") as pool:
        found = [f for f in pool.map(work_on, range(threads)) if f is not None]
    return min(found) if found else None
