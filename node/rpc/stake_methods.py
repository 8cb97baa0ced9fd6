"""The staking group: what is minted, what could be, and PeerCoin's fields of a block. It decides nothing about stake.

Names and fields are Peercoin's (rpc/mining.cpp, wallet/rpc/mining.cpp) where it has them; `staking` and `mint` are ours.
"""

from __future__ import annotations

from typing import Any, Final

from consensus.stake import Stake
from consensus.stake_difficulty import next_bits
from consensus.stake_kernel import is_ripe, threshold, weight
from consensus.stake_mint import WINDOW, Owned
from consensus.stake_note import Note, last_of_kind, note_of
from ledger.utxo.peercoin import minted, money_supply
from node.node import Node, Snapshot
from node.rpc.bitcoin_json import address_of, difficulty
from node.rpc.dispatch import Call
from node.rpc.errors import INVALID_PARAMETER, METHOD_NOT_FOUND, MISC_ERROR, RpcError
from node.rpc.lookup import MORE_FIELDS, OTHER_DIFFICULTIES, spent_of
from node.rpc.params import Amount, coins, display_hex
from node.rpc.registry import injected, rpc
from node.rpc.wallet_access import chosen
from node.staking import Staking
from node.wallets import Wallets
from primitives.chain import Entry
from primitives.errors import Refused

injected(Staking)

_TEN_MINUTES, _DAY = 600, 86_400
_EVERY: Final = 1 << 256


def engine_of(node: Node) -> Stake:
    """The chain's engine. Raises RpcError where there is no stake."""
    engine = node.spec.engine
    if not isinstance(engine, Stake):
        raise RpcError(METHOD_NOT_FOUND, "This chain has no proof of stake")
    return engine


def stake_fields(at: Snapshot, entry: Entry[Any], block: Any) -> dict[str, Any]:
    """What Peercoin shows of a block beside Bitcoin's fields; empty on a chain without stake."""
    engine = at.spec.engine
    if not isinstance(engine, Stake) or not (entry.note or entry.height == 0):
        return {}
    note = note_of(entry, engine.modifiers.genesis)
    result: dict[str, Any] = {
        "flags": flags_text(note),
        "nHeightStake": note.stakes,
        "proofhash": display_hex(note.proof or entry.hash),
        "entropybit": note.entropy,
        "modifier": f"{note.modifier:016x}",
        "modifierchecksum": f"{note.checksum:08x}",
        "trust": f"{engine.weight(entry.header):064x}",
        "blocksignature": block.signature.hex(),
    }
    if at.view.connected(entry):
        result["mint"] = coins(minted(block, spent_of(at, entry, block)))
    return result


def flags_text(note: Note) -> str:
    """The index flags in Peercoin's words."""
    return ("proof-of-stake" if note.stake else "proof-of-work") + (" stake-modifier" if note.generated else "")


MORE_FIELDS.append(stake_fields)


def difficulties(at: Snapshot) -> dict[str, Any] | None:
    """The difficulty of the last block of each kind, and the seconds that a search covers; None on a chain without stake."""
    if not isinstance(at.spec.engine, Stake):
        return None
    kinds = {"proof-of-work": False, "proof-of-stake": True}
    height = at.tip.height
    found = {name: difficulty(last_of_kind(at.branch, height, kind).header.bits) for name, kind in kinds.items()}
    return {**found, "search-interval": WINDOW}


OTHER_DIFFICULTIES.append(difficulties)


@rpc("getstakinginfo", family="peercoin", group="staking")
def get_staking_info(at: Snapshot, staking: Staking, wallets: Wallets, call: Call) -> dict[str, Any]:
    """Whether a wallet stakes, what came of the last search, what its coins weigh, and when a block may be expected."""
    engine, wallet = engine_of(at.node), chosen(wallets, call)
    staker = staking.staker(wallet)
    minting, owned = staking.owned(staker, at)
    now = at.now
    ripe, earliest = minting.ripe(owned, now, at.tip.height + 1)
    mine = sum(weight(o.kernel, now, engine.ages, engine.switches) for o in ripe)
    bits = next_bits(engine.rule, at.branch, True)
    chance = min(1.0, threshold(bits, mine) / _EVERY)
    outlook = staker.outlook
    result = {
        "enabled": staking.is_on(wallet.name),
        "staking": staking.is_on(wallet.name) and outlook.word in ("found", "no-kernel"),
        "state": outlook.word,
        "searched": staker.reached,
        "errors": "" if outlook.word in ("found", "no-kernel", "idle") else outlook.detail,
        "coins": len(owned),
        "ripe": len(ripe),
        "weight": mine,
        "difficulty": difficulty(last_of_kind(at.branch, at.tip.height, True).header.bits),
        "expectedtime": round(1 / chance) if chance else 0,
        "moneysupply": coins(money_supply(at.view.state)),
        "reserve": coins(staker.reserve),
    }
    if not ripe and earliest is not None:
        result["earliest"] = earliest
    return result


@rpc("listminting", family="peercoin", group="staking")
def list_minting(
    at: Snapshot, staking: Staking, wallets: Wallets, call: Call, count: int = -1, from_: int = 0
) -> list[dict[str, Any]]:
    """The coins that stake or will, with their age, weight and chances; -1 for all of them."""
    if from_ < 0:
        raise RpcError(INVALID_PARAMETER, "from is at least 0")
    engine_of(at.node)
    _, owned = staking.owned(staking.staker(chosen(wallets, call)), at)
    bits = next_bits(engine_of(at.node).rule, at.branch, True)
    rows = [_minting_row(at, o, bits) for o in sorted(owned, key=lambda o: (o.kernel.block_time, o.point))]
    return rows[from_:] if count < 0 else rows[from_ : from_ + count]


def _minting_row(at: Snapshot, owned: Owned, bits: int) -> dict[str, Any]:
    engine, coin = engine_of(at.node), owned.coin
    now = at.now
    generated = coin.coinbase or coin.stake
    mature = not generated or at.tip.height + 1 - coin.height >= engine.rules.maturity
    ripe = mature and is_ripe(owned.kernel, now, engine.ages)
    days = weight(owned.kernel, now, engine.ages, engine.switches) if ripe else 0
    chance = min(1.0, threshold(bits, days) / _EVERY)

    def within(seconds: int) -> float:
        return 1 - (1 - chance) ** seconds

    return {
        "address": address_of(coin.script, at.spec.addresses),
        "input-txid": display_hex(owned.point[:32]),
        "vout": owned.kernel.index,
        "time": owned.kernel.tx_time,
        "amount": coins(coin.value),
        "status": "mature" if ripe else "immature",
        "age-in-day": max(0, now - owned.kernel.tx_time) // engine.ages.day,
        "coin-day-weight": days,
        "proof-of-stake-difficulty": difficulty(bits),
        "minting-probability-10min": within(_TEN_MINUTES),
        "minting-probability-24h": within(_DAY),
        "minting-probability-30d": within(30 * _DAY),
        "minting-probability-90d": within(90 * _DAY),
        "earliest": owned.kernel.block_time + engine.ages.least,
    }


@rpc("reservebalance", family="peercoin", group="staking")
def reserve_balance(
    node: Node,
    staking: Staking,
    wallets: Wallets,
    call: Call,
    reserve: bool | None = None,
    amount: Amount | None = None,
) -> dict[str, Any]:
    """Keep an amount out of minting, the smallest coins first; without parameters, what is kept out."""
    engine_of(node)
    wallet = chosen(wallets, call)
    if reserve:
        if amount is None:
            raise RpcError(INVALID_PARAMETER, "must provide amount to reserve balance")
        staking.reserve[wallet.name] = amount
    elif reserve is False:
        if amount is not None:
            raise RpcError(INVALID_PARAMETER, "cannot specify amount to turn off reserve")
        staking.reserve.pop(wallet.name, None)
    kept = staking.reserve.get(wallet.name, 0)
    return {"reserve": kept > 0, "amount": coins(kept)}


@rpc("staking", family="peercoin", group="staking")
async def set_staking(node: Node, staking: Staking, wallets: Wallets, call: Call, on: bool = True) -> bool:
    """Let a wallet stake without end, or stop it; returns whether it does."""
    engine_of(node)
    wallet = chosen(wallets, call)
    if on:
        staking.start(wallet)
    else:
        staking.stop(wallet.name)
        await node.on_chain(lambda: None)  # a search that is under way may still mint: the answer comes after it
    return staking.is_on(wallet.name)


@rpc("mint", family="peercoin", group="staking")
async def mint(node: Node, staking: Staking, wallets: Wallets, call: Call, nblocks: int = 1) -> list[str]:
    """Mint blocks at once on a local network, its clock moving as far as each needs; returns their hashes.

    Where the tip has become too old to stake on, a block of work comes first; it is not among them.
    """
    engine_of(node)
    if not node.spec.network.local:
        raise RpcError(MISC_ERROR, "Blocks are minted at once on local networks only; use staking")
    if nblocks < 1:
        raise RpcError(INVALID_PARAMETER, "nblocks is at least 1")
    wallet = chosen(wallets, call)
    payee = await wallets.env.on_worker(lambda: wallet.state.script_of(wallet.new_address("staking")))
    try:
        hashes = await staking.mint(wallet, nblocks, payee)
    except Refused as e:
        raise RpcError(MISC_ERROR, f"{e.detail} ({e.rule})") from None
    return [display_hex(h) for h in hashes]
