"""The twin chains as values: coins and accounts on one chain, under work by SHA-256d or Ethash, or under stake.

It composes; every rule is elsewhere. All three are local networks with public keys; engines but the first load with the chain they seal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from chains.ethereum import DEV_ACCOUNTS, DEV_CHAIN_ID, DEV_ETHER, DEV_GAS_LIMIT, DEV_GENESIS_TIME, NEWEST
from chains.ethereum_predeploys import PREDEPLOYS
from chains.overrides import ChainFileError, suggest
from chains.spec import ChainSpec, Network
from chains.twin_engine import Outer
from chains.twin_predeploys import EXIT_CONTRACT
from consensus.api import Engine
from consensus.difficulty import Retarget
from consensus.forkchoice import heaviest
from consensus.sha256d import Sha256d
from ledger.account import rules
from ledger.account.fees import INITIAL_BASE_FEE
from ledger.account.ledger import AccountLedger, Alloc, GenesisAccount, genesis_root
from ledger.account.policy import GethPolicy
from ledger.account.requests import EXIT_TYPE, EXITS, requests_hash
from ledger.account.rules import ETHER
from ledger.api import Draft
from ledger.twin.ledger import TwinLedger, nothing_beside
from ledger.utxo.assemble import BlockRule, CoinbaseRule, bitcoin_block, bitcoin_coinbase
from ledger.utxo.checks import coinbase_first, height_push
from ledger.utxo.connect import coinbase_reward
from ledger.utxo.ledger import UtxoLedger
from ledger.utxo.rules import Activations, UtxoRules, halving
from primitives import merkle
from primitives.address import AddressStyle
from primitives.bitcoin import (
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinFormat,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
)
from primitives.chain import Branch, Format
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader
from primitives.sealed import SealedFormat, with_seal
from primitives.twin import OuterBlock, TwinBlock, payload_output
from storage.durability import Durability
from storage.memory import MemoryStore
from vm.script.opcodes import push

MESSAGE: Final = "Chainyard 01-JAN-2025 Coins and accounts on one chain: "
"""What genesis coinbases say before the chain's name."""
BITS: Final = 0x207FFFFF
RETARGET: Final = Retarget((1 << 255) - 1, timespan=24 * 60 * 60, min_after=20 * 60, fixed=True)
"""Regtest's: every second nonce serves, for ever."""
HALVING: Final = 210_000
STYLE: Final = AddressStyle(
    b"\x6f", b"\xc4", b"\xef", "bcrt", bip32_public=bytes.fromhex("043587cf"), bip32_private=bytes.fromhex("04358394")
)
"""Regtest's, so that Bitcoin's tools need not be told of a network of their own."""
RPC: Final = ("chain", "bitcoin", "ethereum", "wallet", "twin")

TWIN_RULES: Final = NEWEST.evolve(
    NEWEST.name + " with exits", NEWEST.fork, requests=(*NEWEST.requests, (EXIT_TYPE, EXITS))
)
"""Ethereum's newest rules, and one contract more that is asked for requests."""
ALLOC: Final[Alloc] = (
    *(GenesisAccount(address, DEV_ETHER * ETHER) for address in DEV_ACCOUNTS),
    *PREDEPLOYS,
    EXIT_CONTRACT,
)
"""Genesis ether is not backed by coins: it is the faucet of a local chain."""


OuterGenesis = tuple[BitcoinHeader, tuple[Transaction, ...]]


@dataclass(frozen=True, slots=True)
class Half:
    """The outer half under one engine: how blocks are made and encoded, and who may make them."""

    ledger: UtxoLedger
    engine: Engine[Any, Any]
    genesis: OuterBlock
    check_sides: Callable[[TwinBlock, Branch[Any]], None] = nothing_beside
    rpc: tuple[str, ...] = RPC
    drift: int = 2 * 60 * 60
    """How many seconds a header may be ahead of the clock."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a twin chain may change of the one that it is built on."""

    name: str
    half: Callable[[OuterGenesis], Half]
    """The outer half that begins with this genesis."""
    chain_id: int = DEV_CHAIN_ID
    gas_limit: int = DEV_GAS_LIMIT
    p2p_port: int = 18_644
    alloc: Alloc = field(default=ALLOC)


def _payload(p: Parameters) -> EthereumBlock:
    with MemoryStore(Durability.NONE).update() as kv:
        root = genesis_root(p.alloc, kv)
    header = EthereumHeader(
        bytes(32), EMPTY_OMMERS, bytes(20), root, EMPTY_ROOT, EMPTY_ROOT, EMPTY_BLOOM, 0, 0,
        p.gas_limit, 0, DEV_GENESIS_TIME, b"", bytes(32), bytes(8), base_fee=INITIAL_BASE_FEE,
        withdrawals_root=EMPTY_ROOT, blob_gas_used=0, excess_blob_gas=0, parent_beacon_root=bytes(32),
        requests_hash=requests_hash(()),
    )  # fmt: skip
    return EthereumBlock(header, withdrawals=())


def _genesis(digest: bytes, name: str) -> OuterGenesis:
    """A header and its coinbase, which pays nobody and commits to the payload."""
    script = (height_push(0) + push(f"{MESSAGE}{name}".encode()))[:100]
    coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, script),), (TxOutput(0, b""), payload_output(digest)))
    return BitcoinHeader(1, bytes(32), merkle.root([coinbase.id]), DEV_GENESIS_TIME, BITS, 0), (coinbase,)


def _coins(fmt: Format, make_block: BlockRule, coinbase: CoinbaseRule = bitcoin_coinbase) -> UtxoLedger:
    """Bitcoin's rules, all of them from genesis on."""
    all_active = Activations()
    found = UtxoRules(
        flags=all_active.flags,
        active=all_active.active,
        unique_ids=all_active.unique_ids,
        subsidy=halving(HALVING),
        check_layout=coinbase_first,
        check_reward=coinbase_reward,
        grants=True,
    )
    return UtxoLedger(found, format=fmt, coinbase=coinbase, make_block=make_block)


@dataclass(frozen=True, slots=True)
class _Miner:
    """Who seals the genesis block."""

    payee: bytes = b""
    threads: int = 1


def sha256d_half(genesis: OuterGenesis) -> Half:
    """Bitcoin's own block, sealed as Bitcoin's."""
    engine = Sha256d(RETARGET)
    sealed = engine.seal(BitcoinBlock(*genesis), _Miner(), lambda: False)
    assert isinstance(sealed, BitcoinBlock)
    return Half(_coins(BitcoinFormat(), bitcoin_block), engine, sealed)


def sealed_block(draft: Draft, header: BitcoinHeader, txs: tuple[Transaction, ...]) -> BitcoinBlock:
    """A Bitcoin block whose header has room for a seal."""
    return BitcoinBlock(with_seal(header, bytes(32), 0), txs)


def ethash_half(genesis: OuterGenesis) -> Half:
    """Bitcoin's block with an Ethash seal beside its header."""
    from consensus.ethash_bitcoin import check_seal_beside, ethash_over_bitcoin
    from consensus.ethash_data import SMALL_SIZES

    engine = ethash_over_bitcoin(RETARGET, SMALL_SIZES)
    first = sealed_block(Draft(0, 0), *genesis)

    def check_seal(block: TwinBlock, branch: Branch[Any]) -> None:
        check_seal_beside(engine, block.header, branch)  # type: ignore[arg-type]

    return Half(_coins(SealedFormat(), sealed_block), engine, first, check_seal)


def stake_half(genesis: OuterGenesis) -> Half:
    """A block of work or stake with Bitcoin's transactions, as on stake-dev."""
    from chains import peercoin
    from consensus.stake import Stake
    from consensus.stake_modifier import ModifierRule, genesis_note
    from ledger.utxo.peercoin import PeercoinRules, peercoin_block
    from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader

    p = peercoin.PARAMETERS["stake-dev"]
    header, txs = genesis
    first = PeercoinHeader(header.version, header.parent, header.merkle_root, header.timestamp, header.bits, 0)
    own = PeercoinRules(
        p.switches, p.money, p.retarget.limit, p.ages.least, p.maturity, p.max_money, p.tx_version, extra_minting=True
    )
    engine = Stake(
        rules=own,
        rule=p.retarget,
        modifiers=ModifierRule(p.switches, genesis_note(p.switches, first), p.modifier_interval, p.ages.least),
        ages=p.ages,
        canonical_from=p.canonical_from,
        target_output=p.target_output,
    )
    fmt = PeercoinFormat(name="bitcoin-stake", timed=p.timed)
    ledger = UtxoLedger(replace(own.utxo_rules(), grants=True), p.policy, fmt, own.coinbase, peercoin_block)
    return Half(ledger, engine, PeercoinBlock(first, txs), rpc=(*RPC, "peercoin"), drift=900)


def build(p: Parameters) -> ChainSpec:
    """The ChainSpec of these parameters."""
    payload = _payload(p)
    half = p.half(_genesis(payload.header.hash, p.name))
    accounts = AccountLedger(
        rules.always(TWIN_RULES, p.chain_id), p.alloc, p.gas_limit, GethPolicy(min_tip=0), dev_edits=True
    )
    network = Network(
        sha256(b"chainyard " + p.name.encode()).digest()[:4],
        p.p2p_port,
        18_443,
        8_545,
        max_message=24_000_000,
        drift=half.drift,
        local=True,
    )
    return ChainSpec(
        name=p.name,
        client_name="regtest",
        network=network,
        addresses=STYLE,
        genesis=TwinBlock(half.genesis, payload),
        ledger=TwinLedger(half.ledger, accounts, check_sides=half.check_sides),
        engine=Outer(half.engine),
        better=heaviest,
        rpc=half.rpc,
        dev_edits=True,
    )


PARAMETERS: Final[Mapping[str, Parameters]] = {
    p.name: p
    for p in (
        Parameters("twin", sha256d_half, p2p_port=18_644),
        Parameters("twin-ethash", ethash_half, p2p_port=18_654),
        Parameters("twin-stake", stake_half, p2p_port=18_664),
    )
}


class _Specs(Mapping[str, ChainSpec]):
    """The chains by name; each is made when it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, ChainSpec] = {}

    def __getitem__(self, name: str) -> ChainSpec:
        if name not in self._made:
            self._made[name] = build(PARAMETERS[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(PARAMETERS)

    def __len__(self) -> int:
        return len(PARAMETERS)


SPECS: Final[Mapping[str, ChainSpec]] = _Specs()
_OWN_KEYS: Final = ("name", "chain_id", "gas_limit")


def custom(base: str, table: Mapping[str, Any]) -> ChainSpec:
    """A chain like one of these with another name, chain id or gas limit. Raises ChainFileError."""
    for key in table:
        if key not in _OWN_KEYS:
            raise ChainFileError(f"unknown key {key}" + suggest(key, _OWN_KEYS))
    changes: dict[str, Any] = {key: value if key == "name" else int(value) for key, value in table.items()}
    return build(replace(PARAMETERS[base], **changes))
