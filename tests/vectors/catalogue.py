"""Which module runs which suite, and which files the suites read. Modules load on first use."""

from __future__ import annotations

import fnmatch
import importlib
import os
import tomllib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

Case = tuple[str, Callable[[], None]]
Suite = Callable[[Path], Iterator[Case]]

MODULES: dict[str, tuple[str, ...]] = {
    "bitcoin": (
        "bitcoin_primitives",
        "bitcoin_script",
        "bitcoin_chain",
        "bitcoin_node",
        "bitcoin_delivery",
        "bitcoin_sync",
        "bitcoin_p2p",
        "bitcoin_wallet",
        "bitcoin_rpc",
    ),
    "ethereum": (
        "ethereum_basic",
        "ethereum_vm",
        "ethereum_state",
        "ethereum_blocks",
        "ethereum_hive",
        "ethereum_pow",
        "ethereum_wallet",
        "ethereum_rpc",
    ),
    "peercoin": ("peercoin",),
}

READ: dict[str, tuple[str, ...]] = {
    "bitcoin": (
        "addr/base58_encode_decode.json",
        "addr/bech32*.json",
        "addr/key_io_*.json",
        "batteries/*.jsonl.gz",
        "blocks/*/*",
        "blocks_nocoins/*/*",
        "chains/*.json",
        "chains/mainnet_headers_*.bin",
        "filters/blockfilters.json",
        "hd/bip*",
        "merkle/*.json",
        "p2p/bip37_bip152.json",
        "psbt/*.json",
        "rpc/*.json",
        "script/*.json",
        "sig/*.json",
        "sync/*.xz",
        "tx/*.json",
        "wallet/*.json",
    ),
    "ethereum": (
        "eest/blockchain_tests/*.json",
        "eest/large/*.json.gz",
        "eest/state_tests/*.json",
        "legacytests/Cancun/BlockchainTests/InvalidBlocks/*.json",
        "legacytests/Cancun/BlockchainTests/TransitionTests/*.json",
        "legacytests/Cancun/BlockchainTests/ValidBlocks/*.json",
        "legacytests/Cancun/GeneralStateTests/*.json",
        "legacytests/Constantinople/BlockchainTests/InvalidBlocks/*.json",
        "legacytests/Constantinople/BlockchainTests/ValidBlocks/*.json",
        "legacytests/Constantinople/GeneralStateTests/*.json",
        "legacytests/Constantinople/VMTests/*.json",
        "real/eip/*.json",
        "real/ethash/*.json",
        "real/genesis/*.json",
        "real/geth-vm/*",
        "real/hive-chain-rpc/*",
        "real/keystore/*.json",
        "real/mainnet-blocks/*",
        "real/mainnet-headers/*.json",
        "real/ropsten-headers/*.json",
        "real/rpc-io/*/*.io",
        "real/sepolia-pow/*",
        "real/tx-replay/*.json",
        "tests-2018/BlockchainTests/*.json",
        "tests/ABITests/*.json",
        "tests/BasicTests/*.json",
        "tests/BlockchainTests/GeneralStateTests/*.json",
        "tests/BlockchainTests/ValidBlocks/*.json",
        "tests/DifficultyTests/*.json",
        "tests/EIPTests/BlockchainTests/*.json",
        "tests/GeneralStateTests/*.json",
        "tests/GenesisTests/*.json",
        "tests/KeyStoreTests/*.json",
        "tests/PoWTests/*.json",
        "tests/RLPTests/*.json",
        "tests/TransactionTests/*.json",
        "tests/TrieTests/*.json",
    ),
    "peercoin": ("functions.json", "p2p-wire.json", "regtest-*.json", "regtest-*.jsonl", "mainnet/*"),
}
"""Patterns of the files that the suites of a family read; any other file is reported as skipped, by name."""

NOTES = ("README*", "MANIFEST.tsv", "LICENSE*", "*/README*", "*/MANIFEST.tsv", "*/LICENSE*")


def vectors_root() -> Path:
    """Where the published data are: CHAINYARD_VECTORS, else ../shared/vectors beside the checkout."""
    default = Path(__file__).resolve().parents[3] / "shared" / "vectors"
    return Path(os.environ.get("CHAINYARD_VECTORS", default))


def suites(family: str) -> dict[str, Suite]:
    """The suites of a family, by name."""
    found: dict[str, Suite] = {}
    for name in MODULES[family]:
        module = importlib.import_module(f"tests.vectors.{name}")
        for suite, run in module.SUITES.items():
            if suite in found:
                raise RuntimeError(f"suite {family}.{suite} is defined twice")
            found[suite] = run
    return found


@lru_cache(1)
def _not_run() -> dict[str, dict[str, str]]:
    return tomllib.loads((Path(__file__).parent / "not_run.toml").read_text())


def named(suite: str, case: str) -> bool:
    """Whether not_run.toml says that no client runs this case."""
    return any(case.startswith(beginning) for beginning in _not_run().get(suite, {}))


def unknown_files(family: str, folder: Path) -> list[str]:
    """Files of the family's folder that no suite reads."""
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    known = (*READ[family], *NOTES)
    return [n for n in names if not any(fnmatch.fnmatch(n, pattern) for pattern in known)]
