"""Node: a node of one's own, started as a process or found at a URL, with its two RPCs and the controls of its chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from chainyard.launcher import Program
from chainyard.rpc import Rpc


@dataclass(frozen=True, slots=True)
class Account:
    """An account that has ether from the start. Its key is public."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class CoinAccount:
    """An address that has coins from the start. Its key is public."""

    address: str
    wif: str


class Node:
    """One node. Use it as a context manager, or call `start` and `stop`.

    with Node("dev") as node:
        node.mine(3)
    """

    def __init__(
        self,
        chain: str | None = None,
        *,
        seed: int | None = None,
        accounts: int | None = None,
        block_time: float | None = None,
        automine: bool | None = None,
        datadir: str | Path | None = None,
        arguments: Sequence[str] = (),
        program: str | None = None,
        command: str = "dev",
    ) -> None:
        """What to start: `chain` as the catalogue has it (None: the program's default), `arguments` as on the command line.

        Without a `datadir` the chain lives in memory. Ports are free ones.
        """
        options = {
            "--chain": chain,
            "--seed": seed,
            "--accounts": accounts,
            "--block-time": block_time,
            "--datadir": datadir,
        }
        self._arguments = [command, *(f"{name}={value}" for name, value in options.items() if value is not None)]
        if automine is not None:
            self._arguments.append("--automine" if automine else "--no-automine")
        self._arguments += ["--port=0", "--bitcoin-rpc-port=0", "--ethereum-rpc-port=0", *arguments]
        self._program = program
        self._process: Program | None = None
        self.state: dict[str, Any] = {}
        """What the node said of itself at its start."""
        self._rpc: Rpc | None = None
        self._eth: Rpc | None = None

    # -- life -------------------------------------------------------------------------------------------------------

    @classmethod
    def attach(cls, url: str, ethereum_url: str | None = None) -> Node:
        """A node that runs already, by its Bitcoin-style RPC (http://user:password@host:port); it names the other itself."""
        node = cls()
        node._rpc = Rpc(url)
        found = ethereum_url or node.info()["ethereum_rpc"]
        node._eth = Rpc(found) if found else None
        return node

    def start(self) -> Node:
        """Start the process and wait until it answers. Raises ProgramError."""
        self._process = Program(self._arguments, self._program)
        self.state = self._process.state
        user, password = self.state.get("user", ""), self.state.get("password", "")
        if self.state["cookie"] and not user:
            user, _, password = Path(self.state["cookie"]).read_text().partition(":")
        self._rpc = Rpc(self.state["rpc"], user, password)
        self._eth = Rpc(self.state["ethereum_rpc"]) if "ethereum_rpc" in self.state else None
        return self

    def stop(self) -> None:
        """End it, where it is ours."""
        for rpc in (self._rpc, self._eth):
            if rpc is not None:
                rpc.close()
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()

    def __enter__(self) -> Node:
        return self.start() if self._rpc is None else self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process that was started lives."""
        return self._process is not None and self._process.running

    @property
    def log(self) -> str:
        """What the process wrote on standard error."""
        return "" if self._process is None else self._process.log

    # -- ways in ----------------------------------------------------------------------------------------------------

    @property
    def rpc(self) -> Rpc:
        """The Bitcoin-style RPC; it also bears the controls."""
        if self._rpc is None:
            raise RuntimeError("the node is not started")
        return self._rpc

    @property
    def eth(self) -> Rpc:
        """The Ethereum-style RPC."""
        if self._eth is None:
            raise RuntimeError("this chain has no accounts" if self._rpc else "the node is not started")
        return self._eth

    @property
    def url(self) -> str:
        """The Bitcoin-style RPC's, with user and password."""
        return self.rpc.url_with_login

    @property
    def eth_url(self) -> str:
        """The Ethereum-style RPC's."""
        return self.eth.url

    @property
    def ws_url(self) -> str:
        """The same by WebSocket."""
        return "ws" + self.eth.url.removeprefix("http")

    @property
    def has_accounts(self) -> bool:
        """Whether the chain has an account side."""
        return self._eth is not None

    @property
    def accounts(self) -> list[Account]:
        """The accounts with ether from the start."""
        return [Account(a["address"], a["key"]) for a in self.state.get("accounts", ())]

    @property
    def coin_accounts(self) -> list[CoinAccount]:
        """The addresses with coins from the start."""
        return [CoinAccount(a["address"], a["wif"]) for a in self.state.get("coin_accounts", ())]

    def wallet(self, name: str) -> Rpc:
        """The Bitcoin-style RPC for one of the node's wallets."""
        return self.rpc.wallet(name)

    # -- the chain --------------------------------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """Height, clock, mining modes, snapshots."""
        found: dict[str, Any] = self.rpc.call("getlocalinfo")
        return found

    @property
    def height(self) -> int:
        """Of the tip."""
        return int(self.info()["height"])

    @property
    def tip(self) -> str:
        """Hash of the tip, as Bitcoin's tools show hashes."""
        return str(self.info()["tip"])

    @property
    def time(self) -> int:
        """What the chain's clock shows, in seconds since 1970."""
        return int(self.info()["time"])

    def mine(self, blocks: int = 1, to: str | None = None) -> list[str]:
        """Blocks at once; their hashes."""
        found: list[str] = self.rpc.call("mine", blocks, to)
        return found

    def automine(self, on: bool = True) -> None:
        """Mine every transaction at once, or only when told to."""
        self.rpc.call("setautomine", on)

    def block_time(self, seconds: float) -> None:
        """Mine a block every so many seconds; 0 ends it."""
        self.rpc.call("setinterval", seconds)

    def travel(self, seconds: int) -> int:
        """Move the clock on: chain, wallets and stake follow, timeouts do not; what it shows then."""
        return int(self.rpc.call("movetime", seconds))

    def freeze(self, second: int | None) -> None:
        """Fix the clock at a second since 1970; None lets it run again."""
        self.rpc.call("setmocktime", second or 0)

    # -- money and edits ---------------------------------------------------------------------------------------------

    def faucet(self, address: str, amount: int | str | Decimal) -> dict[str, Any]:
        """Give an address coins (in coins), or an account more ether (in wei), in a block at once."""
        found: dict[str, Any] = self.rpc.call("faucet", address, str(amount))
        return found

    def set_coins(self, address: str, amount: int | str | Decimal) -> str:
        """Make coins out of nothing as a committed edit; the transaction's id."""
        return str(self.rpc.call("grantcoins", {address: str(amount)}))

    def set_balance(self, account: str, wei: int) -> None:
        """Give an account exactly so many wei, as a committed edit."""
        self.rpc.call("setbalance", account, str(wei))

    def set_nonce(self, account: str, nonce: int) -> None:
        """Give an account this next nonce, as a committed edit."""
        self.rpc.call("setnonce", account, nonce)

    def set_code(self, account: str, code: str | bytes) -> None:
        """Give an account this code, as a committed edit."""
        self.rpc.call("setcode", account, code.hex() if isinstance(code, bytes) else code)

    def set_storage(self, account: str, slot: int, value: int) -> None:
        """Give a slot of a contract this value, as a committed edit."""
        self.rpc.call("setstorage", account, str(slot), str(value))

    # -- back, forth and aside ----------------------------------------------------------------------------------------

    def snapshot(self) -> int:
        """Remember chain, pool, clock and modes; the number is for `revert`."""
        return int(self.rpc.call("snapshot"))

    def revert(self, snapshot: int) -> None:
        """Go back to a snapshot, which is used up then. Raises LookupError where there is none."""
        if not self.rpc.call("revert", snapshot):
            raise LookupError(f"there is no snapshot {snapshot}")

    @contextmanager
    def kept(self) -> Iterator[Node]:
        """Whatever happens in the block did not happen to the chain."""
        mark = self.snapshot()
        try:
            yield self
        finally:
            self.revert(mark)

    def dump(self, file: str | Path, wallets: bool = False) -> dict[str, Any]:
        """Write the whole chain with pool and clock to a file that is not there yet."""
        found: dict[str, Any] = self.rpc.call("dumpchain", str(Path(file).absolute()), wallets)
        return found

    def load(self, file: str | Path) -> dict[str, Any]:
        """Put the chain of a file in the place of this one."""
        found: dict[str, Any] = self.rpc.call("loadchain", str(Path(file).absolute()))
        return found

    def reorg(self, depth: int = 1, with_: Any = ()) -> dict[str, Any]:
        """Replace the newest blocks by a longer branch that wins by the chain's rules, here and at every peer.

        `with_`: a transaction, or several, for its first block: hex, bytes, or what web3 and python-bitcoinlib sign.
        """
        found: dict[str, Any] = self.rpc.call("reorg", depth, [raw_hex(tx) for tx in _several(with_)])
        return found

    def invalidate(self, block: str) -> None:
        """Hold a block and what builds on it for invalid."""
        self.rpc.call("invalidateblock", block)

    def reconsider(self, block: str) -> None:
        """Judge it again."""
        self.rpc.call("reconsiderblock", block)


def _several(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) and not hasattr(value, "raw_transaction") else (value,)


def raw_hex(tx: Any) -> str:
    """A raw transaction as hex. Raises TypeError for what is none."""
    for name in ("raw_transaction", "rawTransaction"):
        if hasattr(tx, name):
            tx = getattr(tx, name)
    if hasattr(tx, "serialize"):
        tx = tx.serialize()
    if isinstance(tx, str):
        return tx
    if isinstance(tx, bytes | bytearray):
        return bytes(tx).hex()
    raise TypeError(f"{type(tx).__name__} is not a raw transaction")
