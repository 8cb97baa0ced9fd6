"""Twin chains for tests: a chain over a store, blocks on any branch, deposits, exits, and blocks forged against the seam."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from chains.spec import ChainSpec
from chains.twin import SPECS
from ledger.account.requests import EXITS
from ledger.account.rules import GWEI
from ledger.account.state import State
from ledger.api import Admission, Draft
from ledger.twin.branch import PayloadBranch, credited
from ledger.twin.ledger import BENEFICIARY, TwinLedger
from ledger.utxo.assemble import RESERVED
from ledger.utxo.checks import COMMITMENT_HEAD as WITNESS_HEAD
from ledger.utxo.checks import commitment_hash
from ledger.utxo.coins import decode_coin
from ledger.utxo.grants import grant
from node.chain import Chain
from node.results import TipChanged
from primitives import merkle, secp256k1
from primitives.bitcoin import Transaction, TxOutput
from primitives.chain import Entry
from primitives.ethereum import EthereumBlock, Withdrawal
from primitives.ethereum_tx import DYNAMIC_FEE, EthereumTransaction, account_of, sign
from primitives.peercoin import PeercoinBlock
from primitives.twin import ACCOUNTS, COINS, WEI_PER_SATOSHI, TwinBlock, deposit_output, deposits_of, withdrawals_of
from storage.kv import KV, Store
from storage.layout import COIN
from storage.memory import MemoryStore
from tests.builders import Key, spend
from tests.staking import KeyStaker, never

ENGINES = tuple(SPECS)
CHAIN_ID = 31_337
SECRETS = tuple(
    bytes.fromhex(text)
    for text in (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    )
)
"""The first two keys of local chains, rich from genesis on."""
RICH = tuple(account_of(secp256k1.public_key(secret, compressed=False)) for secret in SECRETS)
MINER = b"\xfe" * 20
KEY = Key()
STAKER = bytes(31) + b"\x0b"


@dataclass(frozen=True, slots=True)
class Purse:
    """Who is paid, and who stakes."""

    payee: bytes = b"\x51"
    threads: int = 1
    staker: Any = None


def admission(tx: Any) -> Admission:
    """A transaction as `assemble` wants it, whatever a pool would say."""
    none = frozenset[bytes]()
    lane = ACCOUNTS if isinstance(tx, EthereumTransaction) else COINS
    return Admission(tx, tx.id, none, none, none, 0, 0, 0, lane=lane)


def call(nonce: int, secret: bytes = SECRETS[0], **fields: Any) -> EthereumTransaction:
    """A signed transaction of an account: a transfer of 1 wei unless the fields say otherwise."""
    tx = EthereumTransaction(
        kind=DYNAMIC_FEE, chain_id=CHAIN_ID, nonce=nonce, tip_cap=GWEI, fee_cap=100 * GWEI, gas_limit=200_000,
        to=b"\xaa" * 20, value=1, data=b"",
    )  # fmt: skip
    return sign(replace(tx, **fields), secret)


def exit_call(
    nonce: int, satoshi: int, program: bytes = b"\x11" * 20, secret: bytes = SECRETS[0]
) -> EthereumTransaction:
    """The transaction that locks ether for coins."""
    data = bytes((int(len(program) == 32),)) + program
    return call(nonce, secret, to=EXITS, value=satoshi * WEI_PER_SATOSHI, data=data)


def pay(coins: Sequence[tuple[Transaction, int]], outputs: Sequence[TxOutput]) -> Transaction:
    """A signed transaction that spends KEY's coins."""
    return KEY.sign(spend(coins, outputs), [tx.outputs[n] for tx, n in coins])


@dataclass
class Twins:
    """A twin chain in a store, with a clock, a key whose coins may be spent and a staker."""

    name: str = "twin"
    store: Store = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.spec: ChainSpec = SPECS[self.name]
        self.ledger: TwinLedger = self.spec.ledger  # type: ignore[assignment]
        self.chain = Chain(self.spec, self.store)
        self.now = self.spec.genesis.header.timestamp + 60
        self.staker = KeyStaker(STAKER)
        self.made = 0

    @property
    def tip(self) -> Entry[Any]:
        """The tip."""
        return self.chain.tip

    def restart(self) -> None:
        """Open the chain again over the same store."""
        self.chain = Chain(self.spec, self.store)

    def block(self, entry: Entry[Any]) -> TwinBlock:
        """A stored block."""
        found = self.chain.block(entry.hash)
        assert isinstance(found, TwinBlock)
        return found

    def draft(self, branch: Any, state: KV, stake: bool = False) -> Draft | None:
        """What the engine proposes."""
        purse = Purse(self.staker.p2pk, staker=self.staker) if stake else Purse(KEY.script)
        found = self.spec.engine.propose(branch, state, purse, self.now, never)
        if found is None:
            return None
        self.made += 1
        return replace(
            found,
            payee=purse.payee,
            extra=self.made.to_bytes(4, "little"),
            options={**found.options, BENEFICIARY: MINER},
        )

    def make(
        self,
        txs: Sequence[Any] = (),
        on: Entry[Any] | None = None,
        leading: Sequence[Any] = (),
        stake: bool = False,
        seal: bool = True,
    ) -> TwinBlock | None:
        """A block on an entry, with those of the transactions that apply; None where none may be minted now."""
        entry = on or self.tip
        with self.chain.view() as view, self.chain.state_at(entry) as state:
            branch = view.entries.branch(entry)
            if stake:
                self.staker.points = {p: None for p, _ in coins_under(state, self.staker.p2pk)}
                self.staker.reached = {}
            draft = self.draft(branch, state, stake)
            if draft is None:
                return None
            draft = replace(draft, leading=(*draft.leading, *leading))
            made, _, _ = self.ledger.assemble(draft, [admission(tx) for tx in txs], branch, state)
            return self.sealed(made) if seal else made

    def sealed(self, made: TwinBlock) -> TwinBlock:
        """The block with a seal, or a signature."""
        found = self.spec.engine.seal(made, Purse(staker=self.staker), never)
        assert isinstance(found, TwinBlock)
        return found

    def mine(self, *txs: Any, leading: Sequence[Any] = (), stake: bool = False) -> TwinBlock:
        """A block on the tip, accepted; a minute passes. One of stake waits until there is a kernel, over blocks of work if need be."""
        self.now = max(self.now, self.tip.header.timestamp) + 60
        made, tries = self.make(txs, leading=leading, stake=stake), 0
        while made is None:
            tries += 1
            assert tries < 400, self.staker.told[-1]
            if tries % 4:
                self.now += 15
            else:
                self.mine()
            made = self.make(txs, leading=leading, stake=stake)
        self.accept(made)
        return made

    def accept(self, made: TwinBlock) -> None:
        """The block becomes the tip."""
        assert isinstance(self.chain.accept(made, self.now), TipChanged)
        assert self.tip.hash == made.header.hash

    def fund(self, count: int = 8, satoshi: int = 5_000_000_000) -> Transaction:
        """Grant coins to the key, and as many to the staker."""
        paid = [TxOutput(satoshi, KEY.script)] * count + [TxOutput(20 * satoshi, self.staker.p2pk)] * count
        tx = grant(self.tip.hash, paid)
        self.mine(leading=(tx,))
        return tx

    @contextmanager
    def state(self) -> Iterator[tuple[KV, State]]:
        """The state at the tip, and its accounts."""
        with self.chain.view() as view:
            yield view.state, State(view.state, PayloadBranch(view.branch, view.state).tip.header.state_root)


def coins_under(state: KV, script: bytes) -> list[tuple[bytes, int]]:
    """Outpoint and value of all coins that lie under a script."""
    found = []
    for key, raw in state.scan(COIN):
        coin = decode_coin(raw)
        if coin.script == script:
            found.append((key[1:], coin.value))
    return found


# -- forging ------------------------------------------------------------------------------------------------------------


def rebuilt(twins: Twins, block: TwinBlock, outputs: Sequence[TxOutput] | None = None, **parts: Any) -> TwinBlock:
    """The block with other outputs of its carrier, header fields or payload, under its true root and sealed again."""
    payload = parts.pop("payload", block.payload)
    txs = list(parts.pop("txs", block.outer.txs))
    at = 1 if isinstance(block.outer, PeercoinBlock) and block.outer.is_stake else 0
    if outputs is not None:
        tx = replace(txs[at], outputs=tuple(outputs))
        if at:
            spent = [TxOutput(20 * 5_000_000_000, twins.staker.p2pk)] * len(tx.inputs)
            signed = twins.staker.sign(replace(tx, inputs=tuple(i._replace(script=b"") for i in tx.inputs)), spent)
            assert signed is not None
            tx = signed
        txs[at] = tx
    digest = TxOutput(0, WITNESS_HEAD + commitment_hash(txs, RESERVED))
    paid = tuple(digest if o.script.startswith(WITNESS_HEAD) else o for o in txs[0].outputs)
    txs[0] = replace(txs[0], outputs=paid)
    root = merkle.root([tx.id for tx in txs])
    old: Any = block.outer
    outer = replace(old, header=replace(old.header, merkle_root=root, nonce=0, **parts), txs=tuple(txs))
    return twins.sealed(TwinBlock(outer, payload))


def payload_on_tip(
    twins: Twins,
    like: TwinBlock,
    withdrawals: Sequence[Withdrawal] | None = None,
    txs: Sequence[Any] = (),
    **fields: Any,
) -> EthereumBlock:
    """A payload that is sound by itself, for the place of a block, with withdrawals and header fields at will."""
    with twins.chain.view() as view:
        branch, state = view.branch, view.state
        if withdrawals is None:
            withdrawals = withdrawals_of(deposits_of(like.outer), credited(state))
        parent = fields.pop("parent_hash", like.header.parent)
        options = {"prev_randao": parent, "parent_beacon_root": parent, "withdrawals": tuple(withdrawals)}
        draft = Draft(fields.pop("timestamp", like.header.timestamp), 0, payee=MINER, options=options)
        made, _, _ = twins.ledger.accounts.assemble(
            draft, [admission(tx) for tx in txs], PayloadBranch(branch, state), state
        )
    return replace(made, header=replace(made.header, **fields)) if fields else made


def deposit(coin: tuple[Transaction, int], address: bytes, satoshi: int, fee: int = 1_000) -> Transaction:
    """Moves a part of a coin to an account."""
    left = coin[0].outputs[coin[1]].value - satoshi - fee
    return pay([coin], [deposit_output(address, satoshi), TxOutput(left, KEY.script)])


def first_coins(tx: Transaction) -> list[tuple[Transaction, int]]:
    """The coins of a transaction, to spend."""
    return [(tx, n) for n in range(len(tx.outputs))]
