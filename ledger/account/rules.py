"""AccountRules: what a fork means for blocks and transactions, beside its EVM; and the Schedule that says which holds when.

A record a fork, each made from the one before; code elsewhere asks the record and never which fork it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from primitives.ethereum import EthereumHeader
from primitives.ethereum_tx import ACCESS_LIST, BLOB, DYNAMIC_FEE, LEGACY, SET_CODE
from vm.evm import forks
from vm.evm.api import Fork

ETHER: Final = 10**18
GWEI: Final = 10**9

BEACON_ROOTS: Final = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
"""EIP-4788."""
BLOCK_HASHES: Final = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
"""EIP-2935."""
DEPOSITS: Final = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
"""EIP-6110."""
WITHDRAWAL_REQUESTS: Final = bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002")
"""EIP-7002."""
CONSOLIDATION_REQUESTS: Final = bytes.fromhex("0000bbddc7ce488642fb579f8b00f3a590007251")
"""EIP-7251."""


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What a fork asks of blocks and transactions. `None`, `False` and `()` mean that it has no such rule."""

    name: str
    fork: Fork
    newest_kind: int = LEGACY
    """The newest transaction type that is lawful (EIP-2718); all before it are."""
    low_s: bool = False
    """EIP-2."""
    replay_protection: bool = False
    """EIP-155: legacy transactions may name the chain."""
    block_reward: int = 5 * ETHER
    status_receipts: bool = False
    """EIP-658: receipts hold a status, not a state root."""
    fee_market: bool = False
    """EIP-1559."""
    ommers: bool = True
    seals: bool = True
    """The header's mix hash and nonce are a proof of work, not random number and zero (EIP-3675, EIP-4399)."""
    withdrawals: bool = False
    """EIP-4895."""
    beacon_roots: bytes | None = None
    """Contract that is told the parent beacon root (EIP-4788)."""
    block_hashes: bytes | None = None
    """Contract that is told the parent's hash (EIP-2935)."""
    requests: tuple[tuple[int, bytes], ...] = ()
    """Types and contracts asked for requests at the end of a block (EIP-7685), in order of type."""
    deposits: bytes | None = None
    """Contract whose logs are requests of type 0 (EIP-6110); where set, or `requests` is not empty, headers hold a hash of requests."""
    max_block_size: int | None = None
    """EIP-7934: bytes of a block's RLP."""

    def evolve(self, name: str, fork: Fork, **changes: Any) -> AccountRules:
        """The next fork's rules: this EVM, and these fields changed."""
        return replace(self, name=name, fork=fork, **changes)

    @property
    def has_requests(self) -> bool:
        """Whether headers hold a hash of requests (EIP-7685)."""
        return self.deposits is not None or bool(self.requests)


FRONTIER = AccountRules("Frontier", forks.FRONTIER)
HOMESTEAD = FRONTIER.evolve("Homestead", forks.HOMESTEAD, low_s=True)
TANGERINE_WHISTLE = HOMESTEAD.evolve("EIP150", forks.TANGERINE_WHISTLE)
SPURIOUS_DRAGON = TANGERINE_WHISTLE.evolve("EIP158", forks.SPURIOUS_DRAGON, replay_protection=True)
BYZANTIUM = SPURIOUS_DRAGON.evolve("Byzantium", forks.BYZANTIUM, status_receipts=True, block_reward=3 * ETHER)
CONSTANTINOPLE = BYZANTIUM.evolve("Constantinople", forks.CONSTANTINOPLE, block_reward=2 * ETHER)
PETERSBURG = CONSTANTINOPLE.evolve("Petersburg", forks.PETERSBURG)
ISTANBUL = PETERSBURG.evolve("Istanbul", forks.ISTANBUL)
BERLIN = ISTANBUL.evolve("Berlin", forks.BERLIN, newest_kind=ACCESS_LIST)
LONDON = BERLIN.evolve("London", forks.LONDON, newest_kind=DYNAMIC_FEE, fee_market=True)
PARIS = LONDON.evolve("Paris", forks.PARIS, block_reward=0, ommers=False, seals=False)
SHANGHAI = PARIS.evolve("Shanghai", forks.SHANGHAI, withdrawals=True)
CANCUN = SHANGHAI.evolve("Cancun", forks.CANCUN, newest_kind=BLOB, beacon_roots=BEACON_ROOTS)
PRAGUE = CANCUN.evolve(
    "Prague",
    forks.PRAGUE,
    newest_kind=SET_CODE,
    block_hashes=BLOCK_HASHES,
    requests=((1, WITHDRAWAL_REQUESTS), (2, CONSOLIDATION_REQUESTS)),
    deposits=DEPOSITS,
)
OSAKA = PRAGUE.evolve("Osaka", forks.OSAKA, max_block_size=8 * 1024 * 1024)
BPO1 = OSAKA.evolve("BPO1", forks.BPO1)
BPO2 = BPO1.evolve("BPO2", forks.BPO2)


@dataclass(frozen=True, slots=True)
class Step:
    """Rules that hold from a block number and from a time on; with `merged`, only for blocks without difficulty."""

    rules: AccountRules
    block: int = 0
    time: int = 0
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which rules a chain runs when; later steps win over earlier ones."""

    chain_id: int
    steps: tuple[Step, ...]
    dao_block: int | None = None
    """Where the DAO's ether moves (EIP-779)."""
    marks: tuple[int, ...] = ()
    """Blocks of forks that change no rule here (difficulty alone), but count in the fork id (EIP-2124)."""

    def at(self, number: int, time: int, difficulty: int = 0) -> AccountRules:
        """The rules of a block with this number and timestamp; `difficulty` tells whether it lies after the merge."""
        for step in reversed(self.steps):
            if number >= step.block and time >= step.time and not (step.merged and difficulty):
                return step.rules
        return self.steps[0].rules

    def of(self, header: EthereumHeader) -> AccountRules:
        """The rules of a header's block."""
        return self.at(header.number, header.timestamp, header.difficulty)


def always(rules: AccountRules, chain_id: int = 1) -> Schedule:
    """One set of rules from genesis on."""
    return Schedule(chain_id, (Step(rules),))
