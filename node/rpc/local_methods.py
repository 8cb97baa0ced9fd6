"""The local group: what people do to a chain of their own, of any family: blocks, clock, money, snapshots, dumps, branches, links."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from node.control_service import ControlService
from node.controls import MOST_BLOCKS
from node.dump import dump, load
from node.faucet import grant_coins, pay
from node.rpc.api import Control, Peers
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, METHOD_NOT_FOUND, RpcError
from node.rpc.params import MAX_MONEY, display_hex, is_hex, parse_amount, shown
from node.rpc.registry import injected, rpc
from p2p.shaping import Link
from primitives import address as addresses
from primitives.bitcoin import TxOutput
from primitives.buffer import Reader
from primitives.chain import Form
from primitives.errors import ChainError, DecodeError
from wallet.file import WALLET_FILE

Local = ControlService
injected(ControlService)

LONGEST = 10 * 365 * 86_400
"""Seconds between two blocks that the clock makes, at most."""
MAX_TIME = 0xFFFFFFFF
"""The last second that a Bitcoin header can say."""


@rpc("getlocalinfo", family="local", group="local")
def get_local_info(local: Local) -> dict[str, Any]:
    """Where the chain stands, what its clock shows, how blocks come about, and where the other RPC is."""
    node, env = local.node, local.node.env
    tip, spec = node.chain.tip, node.spec
    return {
        "chain": spec.name,
        "height": tip.height,
        "tip": display_hex(tip.hash),
        "time": env.now(),
        "clock": "fixed" if env.frozen is not None else "running",
        "offset": env.offset,
        "coins": "bitcoin" in spec.rpc,
        "accounts": "ethereum" in spec.rpc,
        "dev_edits": spec.dev_edits,
        "automine": local.automine if local.dev is None else local.dev.modes.automine,
        "interval": local.interval,
        "snapshots": sorted(local.controls.marks),
        "ethereum_rpc": local.ethereum_rpc,
    }


# -- blocks and time -------------------------------------------------------------------------------------------------


def script_or_account(local: Local, text: str) -> bytes:
    """Whom a block is to pay. Raises RpcError."""
    spec = local.node.spec
    try:
        return addresses.decode(text, spec.addresses) if "bitcoin" in spec.rpc else addresses.account_decode(text)
    except DecodeError as e:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"Error: Invalid address ({e})") from None


@rpc("mine", family="local", group="local")
async def mine(local: Local, nblocks: int = 1, address: str | None = None) -> list[str]:
    """Mine blocks at once, of what the pool holds; returns their hashes. Without an address they pay nobody in particular."""
    if not 0 <= nblocks <= MOST_BLOCKS:
        raise RpcError(INVALID_PARAMETER, f"nblocks is between 0 and {MOST_BLOCKS}")
    payee = None if address is None else script_or_account(local, address)
    found = []
    for _ in range(nblocks):
        block = await local.node.on_chain(lambda: local.controls.mine(payee=payee))
        found.append(display_hex(block.header.hash))
    return found


@rpc("movetime", family="local", group="local", cost="write")
def move_time(local: Local, seconds: int) -> int:
    """Move the node's clock on - chain, wallet and stake follow, timeouts do not; returns the second that it shows then."""
    if seconds < 0 or local.node.env.now() + seconds > MAX_TIME:
        raise RpcError(INVALID_PARAMETER, f"the clock goes forward, up to second {MAX_TIME}")
    return local.controls.move_clock(seconds)


@rpc("setautomine", family="local", group="local")
async def set_automine(local: Local, on: bool) -> None:
    """Mine every transaction at once, or only when told to."""
    local.set_automine(on)


@rpc("setinterval", family="local", group="local")
async def set_interval(local: Local, seconds: float) -> None:
    """Mine a block every so many seconds; 0 ends it."""
    if not 0 <= seconds <= LONGEST:
        raise RpcError(INVALID_PARAMETER, f"seconds is between 0 and {LONGEST}")
    local.set_interval(seconds)


# -- money -----------------------------------------------------------------------------------------------------------


def wei_of(value: Any) -> int:
    """Wei from a number, or a string of digits or 0x and hex. Raises RpcError."""
    try:
        found = int(value, 16 if value.startswith("0x") else 10) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 1 << 256:
        raise RpcError(INVALID_PARAMETER, "wei is a whole number, or a string of one")
    return found


def account_of(local: Local, text: str) -> bytes:
    """An account, on a chain with an account side. Raises RpcError."""
    if local.dev is None:
        raise RpcError(METHOD_NOT_FOUND, f"{local.node.spec.name} has no accounts")
    try:
        return addresses.account_decode(text)
    except DecodeError as e:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"Error: Invalid address ({e})") from None


@rpc("faucet", family="local", group="local", cost="write")
def faucet(local: Local, address: str, amount: Any) -> dict[str, Any]:
    """Give an address so many coins, or a 0x account so many wei more, in a block at once."""
    if address.startswith("0x"):
        account = account_of(local, address)
        assert local.dev is not None, "account_of refuses chains without"
        local.dev.fund([account], wei_of(amount))
        txid = None
    else:
        txid = display_hex(pay(local.controls, [_output(local, address, amount)]))
    tip = local.node.chain.tip
    return {"txid": txid, "block": display_hex(tip.hash), "height": tip.height}


def _output(local: Local, address: str, amount: Any) -> TxOutput:
    if "bitcoin" not in local.node.spec.rpc:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"{local.node.spec.name} has accounts alone: 0x and 40 hex digits")
    value = parse_amount(amount)
    if not value:
        raise RpcError(INVALID_PARAMETER, "amount must be above 0")
    return TxOutput(value, script_or_account(local, address))


@rpc("grantcoins", family="local", group="local", cost="write")
def grant(local: Local, amounts: dict[str, Any]) -> str:
    """Make coins out of nothing for these addresses, in a block at once; returns the transaction's id. Only on chains that allow edits."""
    outputs = [_output(local, address, amount) for address, amount in amounts.items()]
    if not outputs or sum(o.value for o in outputs) > MAX_MONEY:
        raise RpcError(
            INVALID_PARAMETER, "amounts is an object of at least one address, and of no more coins than there can be"
        )
    return display_hex(grant_coins(local.controls, outputs))


# -- snapshots and whole chains --------------------------------------------------------------------------------------


@rpc("snapshot", family="local", group="local", cost="write")
def snapshot(local: Local) -> int:
    """Remember chain, pool, clock and mining modes; the number is given to revert. It outlives the process where there is a directory."""
    return local.controls.snapshot()


@rpc("revert", family="local", group="local", cost="write")
def revert(local: Local, snapshot: int) -> bool:
    """Go back to a snapshot, which is used up then, with those after it; false where there is none."""
    return local.controls.revert(snapshot)


def _path(control: Control, text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_absolute():
        return path
    if control.data_directory is None:
        raise RpcError(INVALID_PARAMETER, "the node has no directory of its own: give a path from the root on")
    return control.data_directory / path


@rpc("dumpchain", family="local", group="local")
async def dump_chain(local: Local, control: Control, path: str, wallets: bool = False) -> dict[str, Any]:
    """Write the whole chain with pool and clock to a file; the loaded wallets too where wanted, their secrets as they are kept on disk."""
    file = _path(control, path)
    if file.exists():
        raise RpcError(
            INVALID_PARAMETER,
            f"{file} already exists. If you are sure this is what you want, move it out of the way first.",
        )
    files: dict[str, str] = {}
    if wallets:
        found = {name: local.wallets.path(name) / WALLET_FILE for name in sorted(local.wallets.loaded)}
        files = await local.node.env.on_worker(lambda: {name: p.read_text() for name, p in found.items()})
    data = await local.node.on_chain(lambda: dump(local.controls, files))
    await local.node.env.on_worker(lambda: local.node.env.disk.write(file, data))
    return {"path": str(file), "bytes": len(data), "height": local.node.chain.tip.height, "wallets": sorted(files)}


@rpc("loadchain", family="local", group="local")
async def load_chain(local: Local, control: Control, path: str) -> dict[str, Any]:
    """Put the chain that dumpchain wrote in the place of this one, and its wallets beside those that are here."""
    data = await local.node.env.on_worker(lambda: local.node.env.disk.read(_path(control, path)))
    if data is None:
        raise RpcError(INVALID_PARAMETER, f"there is no file {shown(path)}")
    found = await local.node.on_chain(lambda: load(data, local.controls))
    for name, text in found.wallets.items():
        await local.node.env.on_worker(partial(_take_wallet, local, name, text))
    tip = local.node.chain.tip
    return {"height": tip.height, "tip": display_hex(tip.hash), "wallets": sorted(found.wallets)}


def _take_wallet(local: Local, name: str, text: str) -> None:
    if local.wallets.get(name) is not None:
        local.wallets.unload(name)
    disk = local.node.env.disk
    folder = local.wallets.path(name)
    for old in folder.glob("*") if folder.is_dir() else ():
        disk.remove(old)  # its history is that of another chain
    disk.write(folder / WALLET_FILE, text.encode())
    local.wallets.load(name)


# -- branches --------------------------------------------------------------------------------------------------------


@rpc("reorg", family="local", group="local", cost="write")
def reorg(local: Local, depth: int, txs: list[Any] | None = None) -> dict[str, Any]:
    """Replace the newest `depth` blocks by a branch of `depth` + 1 that wins by the rules of the chain, here and at every peer.

    `txs` go into its first block: raw transactions in hex, or pairs of one and the number of its block (0 is the first).
    """
    chosen: dict[int, list[Any]] = {}
    for item in txs or []:
        text, at = item if isinstance(item, list) and len(item) == 2 else (item, 0)
        if not isinstance(text, str) or not isinstance(at, int):
            raise RpcError(INVALID_PARAMETER, "txs is an array of hex strings, or of pairs of one and a block's number")
        chosen.setdefault(at, []).append(_transaction(local, text))
    purse = local.dev.side_purse if local.dev is not None and "bitcoin" not in local.node.spec.rpc else None
    before = local.node.chain.tip
    local.controls.reorganise(depth, chosen, purse)
    tip = local.node.chain.tip
    return {"old_tip": display_hex(before.hash), "tip": display_hex(tip.hash), "height": tip.height, "depth": depth}


def _transaction(local: Local, text: str) -> Any:
    """A transaction of whichever side: in the form of that side's clients, or of the chain's own store. Raises RpcError."""
    digits = text.removeprefix("0x")
    if not is_hex(digits):
        raise RpcError(INVALID_PARAMETER, f"a transaction is hex (not '{shown(text)}')")
    raw = bytes.fromhex(digits)
    whole = local.node.spec.ledger.format
    accounts = [] if local.dev is None else [(local.dev.node.spec.ledger.format, Form.CLIENT)]
    for fmt, form in ((whole, Form.CLIENT), *accounts, (whole, Form.STORE)):
        try:
            reader = Reader(raw)
            tx = fmt.read_tx(reader, form)
            reader.finish()
        except ChainError:
            continue
        return tx
    raise RpcError(INVALID_PARAMETER, "TX decode failed")


# -- links -----------------------------------------------------------------------------------------------------------


@rpc("setlink", family="local", group="local")
def set_link(
    peers: Peers, name: str, latency: float = 0, jitter: float = 0, loss: float = 0, bandwidth: float = 0
) -> dict[str, Any]:
    """How what this node sends to a named peer travels: late by `latency` and up to `jitter` seconds, a share `loss` of packets sent again.

    `bandwidth` is in bytes a second, 0 for no bound.
    """
    if not (0 <= latency <= 60 and 0 <= jitter <= 60 and 0 <= loss <= 0.9 and bandwidth >= 0):
        raise RpcError(
            INVALID_PARAMETER, "latency and jitter are 0 to 60 seconds, loss is 0 to 0.9, bandwidth not below 0"
        )
    peers.shape(name, Link(latency, jitter, loss, bandwidth))
    return {"name": name, "latency": latency, "jitter": jitter, "loss": loss, "bandwidth": bandwidth}
