"""Blockchain tests: blocks fed in order, some of which must be refused; then the head and its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from consensus import difficulty_ethereum as eras
from consensus.difficulty_ethereum import Difficulty, Era
from consensus.ethash import Ethash
from consensus.ethash_data import MAINNET_SIZES
from consensus.merged import Merged
from consensus.unsealed import Unsealed, zero
from ledger.account.ledger import AccountLedger, Alloc, GenesisAccount
from ledger.account.state import State
from primitives.errors import ChainError, DecodeError
from primitives.ethereum import EthereumBlock, EthereumHeader, decode_block
from tests.vectors.ethereum_chain import Chain
from tests.vectors.ethereum_data import CACHES, Memory, data, files, fill, fixed, load, number, schedule_of
from tests.vectors.ethereum_exceptions import SEAL_WORDS, expect

Case = tuple[str, Callable[[], None]]

ERAS: dict[str, Era] = {
    "Frontier": eras.FRONTIER,
    "Homestead": eras.HOMESTEAD,
    "EIP150": eras.HOMESTEAD,
    "EIP158": eras.HOMESTEAD,
    "Byzantium": eras.BYZANTIUM,
    "Constantinople": eras.CONSTANTINOPLE,
    "ConstantinopleFix": eras.CONSTANTINOPLE,
    "Istanbul": eras.CONSTANTINOPLE,
    "Berlin": eras.MUIR_GLACIER,
    "London": eras.LONDON,
    "ArrowGlacier": eras.ARROW_GLACIER,
    "GrayGlacier": eras.GRAY_GLACIER,
}


def difficulty_of(network: str) -> Difficulty:
    """The difficulty rule of a network's name."""
    before, _, rest = network.partition("To")
    after, _, at = rest.partition("At")
    steps = [(0, ERAS[before])]
    if after in ERAS and at.isdecimal():
        steps.append((int(at), ERAS[after]))
    return Difficulty(tuple(steps))


def engine_of(network: str, sealed: bool) -> Any:
    """The engine of a network's name."""
    if network.partition("To")[0] not in ERAS:
        return Unsealed(zero)
    rule = difficulty_of(network)
    before = Ethash(rule, MAINNET_SIZES, CACHES) if sealed else Unsealed(rule)
    return Merged(before, int(network.split("AtDiff")[1], 16)) if "AtDiff" in network else before


def alloc_of(accounts: dict[str, Any]) -> Alloc:
    """Genesis accounts."""
    return tuple(
        GenesisAccount(
            fixed(address, 20),
            number(a.get("balance", a.get("wei"))),
            number(a.get("nonce")),
            data(a.get("code", "")),
            tuple((number(k), number(v)) for k, v in a.get("storage", {}).items() if number(v)),
        )
        for address, a in accounts.items()
    )


def genesis_of(test: dict[str, Any]) -> EthereumBlock:
    """The genesis block, from its RLP, or from its header's fields."""
    if "genesisRLP" in test:
        return decode_block(data(test["genesisRLP"]))
    return EthereumBlock(header_of(test["genesisBlockHeader"]))


def header_of(h: dict[str, str]) -> EthereumHeader:
    """A header from JSON fields."""

    def word(name: str) -> bytes | None:
        return data(h[name]) if name in h else None

    def count(name: str) -> int | None:
        return number(h[name]) if name in h else None

    return EthereumHeader(
        data(h["parentHash"]), data(h["uncleHash"]), data(h["coinbase"]), data(h["stateRoot"]),
        data(h["transactionsTrie"]), data(h["receiptTrie"]), data(h["bloom"]), number(h["difficulty"]),
        number(h["number"]), number(h["gasLimit"]), number(h["gasUsed"]), number(h["timestamp"]), data(h["extraData"]),
        data(h["mixHash"]), data(h["nonce"]), count("baseFeePerGas"), word("withdrawalsRoot"), count("blobGasUsed"),
        count("excessBlobGas"), word("parentBeaconBlockRoot"), word("requestsHash"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test says of one block."""

    accepted: bool
    reason: str | None = None


def verdict_of(entry: dict[str, Any], network: str) -> Verdict:
    """Whether a block must be accepted: where its header is told. In old files the reason may be one network's own."""
    keys = ("expectException", "expectExceptionALL", f"expectException{network}")
    return Verdict("blockHeader" in entry, next((entry[k] for k in keys if k in entry), None))


def read_block(text: str) -> EthereumBlock:
    """A block from its RLP in hex. Raises DecodeError for what is not even hex."""
    try:
        return decode_block(data(text))
    except ValueError as e:
        raise DecodeError(str(e)) from e


def run_block_test(test: dict[str, Any]) -> None:
    """Feed the blocks; each must be accepted or refused as the test says, and head and state must come out."""
    network = test["network"]
    config = test.get("config", {})
    chain_id = number(config.get("chainid"), 1)
    schedule = schedule_of(network, chain_id, config.get("blobSchedule"))
    sealed = test.get("sealEngine", "Ethash") == "Ethash"
    genesis = genesis_of(test)
    chain = Chain(AccountLedger(schedule, alloc_of(test["pre"])), engine_of(network, sealed), genesis)
    assert genesis.header.hash == data(test["genesisBlockHeader"]["hash"]), "genesis hash"
    for i, entry in enumerate(test["blocks"]):
        verdict = verdict_of(entry, network)
        failure: ChainError | None = None
        try:
            chain.accept(read_block(entry["rlp"]))
        except ChainError as e:
            failure = e
        if verdict.accepted and failure is not None:
            raise AssertionError(f"block {i} refused: {type(failure).__name__}: {failure}") from failure
        if not verdict.accepted:
            assert failure is not None, f"block {i} accepted, should be refused: {verdict.reason}"
            if verdict.reason is not None:
                expect(verdict.reason, failure, SEAL_WORDS if sealed else ())
    assert chain.tip.hash == data(test["lastblockhash"]), f"head is {chain.tip.hash.hex()}"
    root = chain.tip.header.state_root
    if "postStateHash" in test:
        assert root == data(test["postStateHash"]), "post state"
    elif "postState" in test:
        state = State(Memory())
        fill(state, test["postState"])
        assert root == state.root, "post state"


def block_tests(folder: Path) -> Iterator[Case]:
    """One case per top-level key of every file below a folder."""
    for path in files(folder):
        for name, test in load(path).items():
            yield f"{path.relative_to(folder)}:{name}", partial(run_block_test, test)


def _below(*subs: str) -> Callable[[Path], Iterator[Case]]:
    def suite(folder: Path) -> Iterator[Case]:
        for sub in subs:
            for name, run in block_tests(folder / sub):
                yield f"{sub}/{name}", run

    return suite


SUITES = {
    "blockchain_valid": _below(
        "legacytests/Cancun/BlockchainTests/ValidBlocks",
        "legacytests/Constantinople/BlockchainTests/ValidBlocks",
        "tests/BlockchainTests/ValidBlocks",
        "tests/BlockchainTests/GeneralStateTests",
        "tests/EIPTests/BlockchainTests",
    ),
    "blockchain_invalid": _below(
        "legacytests/Cancun/BlockchainTests/InvalidBlocks", "legacytests/Constantinople/BlockchainTests/InvalidBlocks"
    ),
    "blockchain_2018": _below("tests-2018/BlockchainTests"),
    "transition": _below("legacytests/Cancun/BlockchainTests/TransitionTests"),
    "eest_blockchain": _below("eest/blockchain_tests", "eest/large/blockchain_tests"),
}
