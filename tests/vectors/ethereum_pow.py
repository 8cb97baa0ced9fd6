"""Ethash and real headers: tables, cache and dataset vectors, seals; Sepolia's blocks with their roots, receipts and state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from chains.ethereum_genesis import alloc_of, difficulty_of, genesis_block, schedule_of
from consensus import difficulty_ethereum as eras
from consensus import ethash_twin as twin
from consensus.ethash import Ethash, boundary, check_seal
from consensus.ethash_data import MAINNET_SIZES, cache_size, dataset_size, native, seed_hash
from consensus.ethash_twin import keccak512
from ledger.account import dao
from ledger.account.checks import check_body, check_header, ommers_hash
from ledger.account.ledger import AccountLedger
from ledger.account.trie import list_root
from primitives import rlp
from primitives.ethereum import EthereumHeader, decode_block, join_blooms, receipt_from_item
from primitives.ethereum_fields import as_list
from primitives.hashing import keccak256
from tests.vectors.ethereum_basic import header_round_trip
from tests.vectors.ethereum_blocks import header_of
from tests.vectors.ethereum_chain import Chain
from tests.vectors.ethereum_data import CACHES, Memory, data, load

Case = tuple[str, Callable[[], None]]


def check_real_seal(header: EthereumHeader) -> None:
    """The header's Ethash seal, by mainnet's sizes."""
    nonce = int.from_bytes(header.nonce, "big")
    check_seal(header.seal_hash, nonce, header.mix_hash, header.difficulty, header.number, MAINNET_SIZES, CACHES)


# PoWTests and real/ethash


def _pow_case(test: dict[str, str]) -> None:
    header = header_round_trip(data(test["header"]))
    assert header.seal_hash == data(test["header_hash"])
    assert seed_hash(header.number // 30_000) == data(test["seed"])
    size, full = int(test["cache_size"]), int(test["full_size"])
    assert (cache_size(0), dataset_size(0)) == (size, full)
    cache = CACHES.get(0, MAINNET_SIZES)
    assert keccak256(cache[:]) == data(test["cache_hash"])
    mix, result = native.hashimoto(cache, full, header.seal_hash, int(test["nonce"], 16))
    assert (mix, result) == (data(test["mixHash"]), data(test["result"]))


def pow_tests(folder: Path) -> Iterator[Case]:
    """PoWTests."""
    for name, test in load(folder / "tests/PoWTests/ethash_tests.json").items():
        yield name, partial(_pow_case, test)


def _equal(found: Callable[[], Any], wanted: Any) -> None:
    got = found()
    assert got == wanted, f"{got!r}, not {wanted!r}"


def _sizes(epoch: int) -> tuple[int, int]:
    return cache_size(epoch), dataset_size(epoch)


def _seed_case(epoch: int, wanted: str) -> None:
    seed = bytes(32)
    for _ in range(epoch):
        seed = keccak256(seed)
    assert seed == data(wanted)


def _hash_case(test: dict[str, Any]) -> None:
    height = test["block_number"]
    size = dataset_size(height // 30_000)
    cache = CACHES.get(height, MAINNET_SIZES)
    mix, result = native.hashimoto(cache, size, data(test["header_hash"]), int(test["nonce"], 16))
    assert (mix, result) == (data(test["mix_hash"]), data(test["final_hash"]))


def _cache_hash_case(epoch: int, wanted: str) -> None:
    cache = CACHES.get(epoch * 30_000, MAINNET_SIZES)
    assert keccak256(cache[:]) == data(wanted)


def _item_case(test: dict[str, Any]) -> None:
    cache = CACHES.get(test["epoch"] * 30_000, MAINNET_SIZES)
    first = 2 * test["item1024_index"]
    assert native.item(cache, first) == data(test["first512"])
    assert native.item(cache, first + 1) == data(test["second512"])


def _small_cache_case(test: dict[str, Any], code: Any) -> None:
    made = bytearray(test["cache_size"])
    code.cache(bytes(32), made)
    assert bytes(made) == data(test["cache"])


def _small_dataset(cache_bytes: int, size: int, code: Any) -> tuple[bytearray, bytearray]:
    cache, dataset = bytearray(cache_bytes), bytearray(size)
    code.cache(bytes(32), cache)
    code.fill(cache, dataset, 0, size // 64)
    return cache, dataset


def _small_dataset_case(test: dict[str, Any], code: Any) -> None:
    assert bytes(_small_dataset(test["cache_size"], test["dataset_size"], code)[1]) == data(test["dataset"])


def _small_hash_case(test: dict[str, Any], code: Any) -> None:
    size = test["dataset_size"]
    for source in _small_dataset(test["cache_size"], size, code):
        mix, result = code.hashimoto(source, size, data(test["header_hash"]), test["nonce"])
        assert (mix, result) == (data(test["mix_hash"]), data(test["result"]))


def _keccak_case(test: dict[str, Any]) -> None:
    given = data(test["input_hex"])
    assert len(given) == test["input_size"]
    assert keccak256(given) == data(test["keccak256"])
    assert keccak512(given) == data(test["keccak512"])


def _boundary_case(test: dict[str, str]) -> None:
    assert boundary(int(test["difficulty"], 16)) == data(test["boundary"])


def ethash_tests(folder: Path) -> Iterator[Case]:
    """real/ethash."""
    base = folder / "real/ethash"
    for epoch, size in enumerate(load(base / "cache_sizes_2048_epochs.json")):
        yield f"cache size:{epoch}", partial(_equal, partial(cache_size, epoch), size)
    for epoch, size in enumerate(load(base / "dataset_sizes_2048_epochs.json")):
        yield f"dataset size:{epoch}", partial(_equal, partial(dataset_size, epoch), size)
    for test in load(base / "size-spot-checks.json"):
        epoch, both = test["epoch"], (test["light_cache_size"], test["full_dataset_size"])
        yield f"sizes:{epoch}", partial(_equal, partial(_sizes, epoch), both)
    for test in load(base / "epoch-seeds.json"):
        yield f"seed:{test['epoch']}", partial(_seed_case, test["epoch"], test["seed"])
    for test in load(base / "hash-vectors.json"):
        yield f"hash:{test['block_number']}", partial(_hash_case, test)
    for test in load(base / "light-cache-hashes.json"):
        yield f"cache:{test['epoch']}", partial(_cache_hash_case, test["epoch"], test["keccak256_of_light_cache"])
    for test in load(base / "dataset-items-epoch13.json"):
        yield f"item:{test['item1024_index']}", partial(_item_case, test)
    small = load(base / "small-cache-dataset.json")
    for code in (native, twin):
        name = code.path()
        for i, test in enumerate(small["caches"]):
            yield f"small cache:{i}:{name}", partial(_small_cache_case, test, code)
        for i, test in enumerate(small["datasets"]):
            yield f"small dataset:{i}:{name}", partial(_small_dataset_case, test, code)
        for i, test in enumerate(small["hashimoto"]):
            yield f"small hashimoto:{i}:{name}", partial(_small_hash_case, test, code)
    for test in load(base / "keccak-256-512.json"):
        yield f"keccak:{test['input_size']}", partial(_keccak_case, test)
    for i, test in enumerate(load(base / "difficulty-boundary.json")):
        yield f"boundary:{i}", partial(_boundary_case, test)


# real headers and blocks


def _header_case(test: dict[str, Any]) -> None:
    header = header_round_trip(data(test["rlp"]))
    assert header.hash == data(test["hash"])
    assert header.number == test["number"]
    check_real_seal(header)


def _dao_case(headers: list[dict[str, Any]]) -> None:
    """The fork's headers link, have the right difficulty, and carry the extra data where it is due."""
    read = [header_round_trip(data(h["rlp"])) for h in headers]
    config = {"chainId": 1, "homesteadBlock": 1_150_000, "daoForkBlock": 1_920_000, "daoForkSupport": True}
    schedule = schedule_of(config)
    linked = 0
    for parent, header in itertools.pairwise(read):
        if header.parent != parent.hash:
            continue
        linked += 1
        assert eras.MAINNET.next(parent, header.timestamp) == header.difficulty
        if not dao.wants_extra_data(1_920_000, header.number) or header.extra_data == dao.EXTRA_DATA:
            check_header(header, parent, schedule)
    assert linked >= len(read) // 2


def _mainnet_block_case(fields: dict[str, Any]) -> None:
    names = {"sha3Uncles": "uncleHash", "miner": "coinbase", "transactionsRoot": "transactionsTrie"}
    names |= {"receiptsRoot": "receiptTrie", "logsBloom": "bloom"}
    header = header_of({names.get(k, k): v for k, v in fields.items() if isinstance(v, str)})
    assert header.hash == data(fields["hash"])
    check_real_seal(header)
    if not fields["uncles"]:
        assert header.ommers_hash == ommers_hash(())
    if not fields["transactions"]:
        assert header.transactions_root == list_root([])


def _mainnet_rlp_case(encoded: bytes) -> None:
    block = decode_block(encoded)
    assert block.raw == encoded
    check_body(block, schedule_of({"chainId": 1}).of(block.header))
    check_real_seal(block.header)


def _genesis_case(genesis: dict[str, Any], wanted: str) -> None:
    block = genesis_block(genesis, schedule_of(genesis["config"]), Memory())
    assert block.header.hash == data(wanted), block.header.hash.hex()


GENESIS_HASHES = {
    "mainnet": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "sepolia": "0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9",
}


def split_items(encoded: bytes) -> list[bytes]:
    """RLP lists that lie one behind the other."""
    found, at = [], 0
    while at < len(encoded):
        first = encoded[at]
        size = first - 0xC0
        head = 1
        if first >= 0xF8:
            head = first - 0xF7 + 1
            size = int.from_bytes(encoded[at + 1 : at + head], "big")
        found.append(encoded[at : at + head + size])
        at += head + size
    return found


def headers_tests(folder: Path) -> Iterator[Case]:
    """real/mainnet-headers, ropsten-headers and mainnet-blocks."""
    real = folder / "real"
    for sub in ("mainnet-headers/dao-fork", "ropsten-headers/one-per-epoch"):
        for test in load(real / f"{sub}.json"):
            yield f"{sub}:{test['number']}:{test['hash'][2:10]}", partial(_header_case, test)
    yield "mainnet-headers/dao-fork:links", partial(_dao_case, load(real / "mainnet-headers/dao-fork.json"))
    for name, wanted in GENESIS_HASHES.items():
        yield f"genesis/{name}", partial(_genesis_case, load(real / f"genesis/{name}.json"), wanted)
    for path in sorted((real / "mainnet-blocks").glob("*.json")):
        yield f"mainnet-blocks/{path.stem}", partial(_mainnet_block_case, load(path))
    for i, encoded in enumerate(split_items((real / "mainnet-blocks/block_1_2.rlp").read_bytes())):
        yield f"mainnet-blocks/block_1_2.rlp:{i}", partial(_mainnet_rlp_case, encoded)


# Sepolia


@lru_cache(maxsize=2)
def _span(path: Path) -> list[bytes]:
    return split_items(path.read_bytes())


def _sepolia_config(folder: Path) -> dict[str, Any]:
    genesis: dict[str, Any] = load(folder / "real/genesis/sepolia.json")
    return genesis


def _sepolia_block_case(blocks: list[bytes], row: list[str], at: int, config: dict[str, Any]) -> None:
    """Hash, roots of the lists, seals of header and ommers, and what the parent asks, where it is at hand."""
    block = decode_block(blocks[at])
    header = block.header
    assert block.raw == blocks[at]
    assert header.number == int(row[0])
    assert header.hash == data(row[1])
    schedule = schedule_of(config)
    check_body(block, schedule.of(header))
    if header.number:
        check_real_seal(header)
    for ommer in block.side_headers:
        check_real_seal(ommer)
    if at:
        parent = decode_block(blocks[at - 1]).header
        assert header.parent == parent.hash
        check_header(header, parent, schedule)
        assert difficulty_of(config).next(parent, header.timestamp) == header.difficulty


def _sepolia_receipts_case(encoded: bytes, block: bytes) -> None:
    header = decode_block(block).header
    receipts = [receipt_from_item(item) for item in as_list(rlp.decode(encoded))]
    assert list_root([r.raw for r in receipts]) == header.receipts_root
    assert join_blooms(r.bloom for r in receipts) == header.bloom
    assert (receipts[-1].cumulative_gas if receipts else 0) == header.gas_used


def _sepolia_weight_case(rows: list[list[str]], block: bytes, at: int) -> None:
    """The total difficulty grows by the header's own."""
    before = int(rows[at - 1][2]) if at else None
    difficulty = decode_block(block).header.difficulty
    if before is None:
        assert int(rows[at][2]) >= difficulty
    else:
        assert int(rows[at][2]) - before == difficulty


def import_sepolia(folder: Path, most: int | None = None) -> Chain:
    """Execute Sepolia's first blocks from its genesis; roots and receipts are checked by the ledger."""
    genesis = _sepolia_config(folder)
    schedule = schedule_of(genesis["config"])
    first = genesis_block(genesis, schedule, Memory())
    rule = difficulty_of(genesis["config"])
    chain = Chain(AccountLedger(schedule, alloc_of(genesis["alloc"])), Ethash(rule, MAINNET_SIZES, CACHES), first)
    encoded = _span(folder / "real/sepolia-pow/000000-008191.blocks.rlp")
    receipts = _span(folder / "real/sepolia-pow/000000-008191.receipts.rlp")
    assert decode_block(encoded[0]).header == first.header
    for at in range(1, len(encoded) if most is None else most):
        block = decode_block(encoded[at])
        applied = chain.accept(block)
        told = [receipt_from_item(item).raw for item in as_list(rlp.decode(receipts[at]))]
        assert list(applied.receipts) == told, f"receipts of block {at}"
        assert chain.tip.hash == block.header.hash
    return chain


def _import_case(folder: Path) -> None:
    chain = import_sepolia(folder)
    rows = (folder / "real/sepolia-pow/000000-008191.index.tsv").read_text().splitlines()
    last = rows[-1].split("\t")
    assert chain.tip.hash == data(last[1])
    assert chain.tip.weight == int(last[2])


def sepolia_tests(folder: Path) -> Iterator[Case]:
    """real/sepolia-pow: three cases a block, and the import of the first 8,192."""
    yield "import:0-8191", partial(_import_case, folder)
    config = _sepolia_config(folder)["config"]
    for span in ("000000-008191", "172032-176127"):
        base = folder / "real/sepolia-pow"
        blocks = _span(base / f"{span}.blocks.rlp")
        receipts = _span(base / f"{span}.receipts.rlp")
        rows = [line.split("\t") for line in (base / f"{span}.index.tsv").read_text().splitlines()[1:]]
        assert len(blocks) == len(receipts) == len(rows)
        for at, row in enumerate(rows):
            yield f"block:{row[0]}", partial(_sepolia_block_case, blocks, row, at, config)
            yield f"receipts:{row[0]}", partial(_sepolia_receipts_case, receipts[at], blocks[at])
            yield f"weight:{row[0]}", partial(_sepolia_weight_case, rows, blocks[at], at)


SUITES = {
    "pow": pow_tests,
    "ethash": ethash_tests,
    "headers": headers_tests,
    "sepolia": sepolia_tests,
}
