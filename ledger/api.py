"""The Ledger protocol: what the node asks of any family's rules, and the mempool's vocabulary.

The mempool never learns what a token means: a UTXO transaction claims the outpoints that it spends, an account transaction claims
`sender‖nonce`. See `node/mempool.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from primitives.chain import Branch, Format, Header
from storage.kv import KV, Delta


class SignatureCache(Protocol):
    """Remembers checks that held, by salted digest; bounded. It only ever saves work."""

    def __contains__(self, key: bytes) -> bool: ...
    def add(self, key: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Aid:
    """What `connect` may use to be faster; none of it changes a verdict."""

    cache: SignatureCache | None = None
    executor: Executor | None = None
    """Threads for batches of signature checks."""
    check_scripts: bool = True
    """False below an assumed-valid block: scripts alone are skipped."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What connecting a block brought about."""

    fees: int = 0
    receipts: tuple[bytes, ...] = ()
    logs: tuple[Any, ...] = ()
    spent: tuple[Any, ...] = ()
    """UTXO: the coins spent, in input order; indices and block statistics read them."""
    touched: frozenset[bytes] = frozenset()
    """Tokens (claims) whose pooled transactions must be admitted again."""
    requests: tuple[tuple[int, bytes], ...] = ()
    """Account: what the block asks of consensus (EIP-7685), as kinds and their data; empty ones are left out."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A pooled transaction as the mempool sees it: opaque tokens, fees and sizes."""

    tx: Any
    id: bytes
    claims: frozenset[bytes]
    """At most one pooled transaction holds a claim."""
    needs: frozenset[bytes]
    gives: frozenset[bytes]
    fee_cap: int
    """UTXO: the absolute fee in satoshi. Account: max fee per gas in wei."""
    tip_cap: int
    """UTXO: the absolute fee. Account: max priority fee per gas."""
    size: int
    """UTXO: virtual bytes. Account: gas limit."""
    depends: frozenset[bytes] = frozenset()
    """State tokens whose change makes this worth admitting again."""
    lane: int = 0
    """Which half of a twin chain; one template fills each lane by its own limits."""
    resources: tuple[int, ...] = ()
    """What it takes of a block's limits (UTXO: weight, sigop cost; account: gas, blobs)."""
    valid_from: int = 0
    memory: int = 0
    """Bytes that the pool counts for it."""
    relay_id: bytes = b""
    """The hash that is announced (wtxid), `id` where empty."""
    shows: tuple[tuple[bytes, bytes], ...] = ()
    """State pairs that heirs may read while this one is pooled (UTXO: its outputs as coins at MEMPOOL_HEIGHT, under their own keys)."""
    replaceable: bool = True
    """Whether it signals replacement (BIP125); policies may ignore it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a newcomer would join or displace, as sums the pool has counted; `Policy.limits` judges it."""

    ancestors: int
    ancestor_size: int
    descendants: int
    """The largest descendant count that any ancestor would reach."""
    descendant_size: int
    lane: int = 0
    """The newcomer's lane."""


class Policy(Protocol):
    """Pure judgements of the pool; Core's and geth's are values (ledger/utxo/policy.py, ledger/account/policy.py)."""

    @property
    def max_bytes(self) -> int:
        """Cap of the pool, in bytes of memory as admissions count it."""
        ...

    @property
    def expiry(self) -> int:
        """Seconds after which a pooled transaction is dropped."""
        ...

    @property
    def increment(self) -> int:
        """The least step between rates (Core's incremental relay fee, per 1,000 units of size; 0 where the family has none)."""
        ...

    def packages(self, lane: int) -> bool:
        """Whether a lane's transactions are weighed with those that they build on (Core);
        else each waits its turn (geth), and nothing is counted."""
        ...

    def rate(self, admission: Admission, base_fee: int) -> int:
        """What decides order: fee per 1,000 units of size, or the effective tip under the next base fee."""
        ...

    def may_replace(self, new: Sequence[Admission], evicted: Sequence[Admission], direct: Sequence[Admission]) -> None:
        """Raises Refused where the newcomers may not displace `evicted` (`direct`: those in conflict themselves)."""
        ...

    def limits(self, cluster: Cluster) -> None:
        """Raises Refused for a chain of unconfirmed transactions that is too long or too large."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """What the engine has fixed of a block before the ledger assembles it."""

    timestamp: int
    difficulty: int
    """In the header's own encoding (compact bits, or a number)."""
    kind: int = 0
    """0 proof of work, 1 proof of stake."""
    payee: bytes = b""
    """UTXO: the script that the reward is paid to. Account: the 20-byte beneficiary."""
    extra: bytes = b""
    """Extra nonce or extra data."""
    leading: tuple[Any, ...] = ()
    """Transactions that the engine made itself (a coinstake)."""
    side_headers: tuple[Any, ...] = ()
    version: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """Family-specific wishes (gas limit, prev_randao), documented at the ledger that reads them."""


B = TypeVar("B", contravariant=True)
H = TypeVar("H", bound=Header, contravariant=True)


class Ledger(Protocol[B, H]):
    """The rules of one family. Validators return None or raise; `branch.tip` is always the parent."""

    @property
    def format(self) -> Format: ...
    @property
    def policy(self) -> Policy: ...

    def genesis(self, block: B, state: KV) -> None:
        """Write the state that the genesis block starts with."""
        ...

    def check_header(self, header: H, branch: Branch[Any]) -> None:
        """Is it a lawful child of its parent? Raises InvalidHeader or Premature-free rule errors (no clock here)."""
        ...

    def check_block(self, block: B, branch: Branch[Any]) -> None:
        """Is this the body that the header commits to, sane, and lawful at its height? Raises Invalid or Mutated.

        A check that needs no context raises MalformedBlock, which the node never remembers against the hash.
        """
        ...

    def connect(self, block: B, branch: Branch[Any], state: KV, aid: Aid) -> Applied:
        """Apply in full or raise. `state` is a journal: what was written before an exception is thrown away."""
        ...

    def admit(self, txs: Sequence[Any], branch: Branch[Any], state: KV, aid: Aid) -> list[Admission]:
        """Judge one transaction or a package against the state at the tip plus the package itself.

        `state` is a view that already shows the outputs (tokens) of pooled transactions. Raises Invalid, Missing, Refused, Premature.
        """
        ...

    def limits(self) -> Mapping[int, Sequence[int]]:
        """The most of each resource that a block's pooled transactions may take, by lane (see Admission.resources)."""
        ...

    def assemble(
        self, draft: Draft, txs: Sequence[Admission], branch: Branch[Any], state: KV
    ) -> tuple[Any, Delta, Applied]:
        """An unsealed block on `branch.tip`, executed once, what it changes and what it brings about; drops what does not apply."""
        ...


Stop = Callable[[], bool]
"""Asked now and then by long work; true means: give up."""
