"""The PeerCoin vectors that are functions of numbers: rewards, fees, trust, checksums, targets, kernels; and the figures of networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from chains.peercoin import MAINNET, PARAMETERS, REGTEST, TESTNET
from chains.spec import ChainSpec
from consensus.stake import Stake
from consensus.stake_difficulty import anchor_height, next_bits
from consensus.stake_kernel import Stakeable, kernel_hash, meets, weight
from consensus.stake_modifier import checksum
from consensus.stake_note import Note
from ledger.utxo.rewards import COIN, Money, least_fee, stake_reward, work_reward
from primitives.chain import Entry
from primitives.peercoin import PeercoinHeader, encode_block
from primitives.target import compact
from tests.builders import ListBranch

Case = tuple[str, Callable[[], None]]

NETWORKS: Mapping[str, ChainSpec] = {"main": MAINNET, "test": TESTNET, "regtest": REGTEST}
MONEY = Money()


@cache
def _load(path: Path) -> Any:
    return json.loads(path.read_text())


def _engine(network: str) -> Stake:
    engine = NETWORKS[network].engine
    assert isinstance(engine, Stake)
    return engine


def functions(root: Path) -> Iterator[Case]:
    """Results of the real functions on synthetic inputs."""
    data = _load(root / "functions.json")
    for name, run in (("powReward", _work), ("posReward", _stake), ("trust", _trust), ("minFee", _fee)):
        for at, row in enumerate(data[name]):
            yield f"{name}/{at}", partial(run, row)
    rows = data["stakeModifierChecksum"]
    for at in range(len(rows)):
        yield f"stakeModifierChecksum/{at}", partial(_checksum, rows, at)


def _work(row: Mapping[str, Any]) -> None:
    engine = _engine(row["network"])
    v10 = row["time"] >= engine.switches.v10
    assert work_reward(MONEY, int(row["bits"], 16), engine.rule.limit, v10) == row["reward"]


def _stake(row: Mapping[str, Any]) -> None:
    v09 = row["time"] >= _engine(row["network"]).switches.v09
    assert stake_reward(MONEY, row["coinAgeDays"], row["moneySupply"], v09) == row["reward"]


def _trust(row: Mapping[str, Any]) -> None:
    header = PeercoinHeader(6, bytes(32), bytes(32), 0, int(row["bits"], 16), 0, row["pos"])
    assert MAINNET.engine.weight(header) == int(row["trust"], 16)


def _fee(row: Mapping[str, Any]) -> None:
    by_byte = not row["time"] or row["time"] >= _engine(row["network"]).switches.v07
    assert least_fee(MONEY, row["bytes"], by_byte) == row["fee"]


def _checksum(rows: Sequence[Mapping[str, Any]], at: int) -> None:
    row = rows[at]
    before = int(rows[at - 1]["checksum"], 16) if at else None
    proof = bytes.fromhex(row["hashProofOfStake"])[::-1]
    assert checksum(before, row["flags"], proof, int(row["modifier"], 16)) == int(row["checksum"], 16)


# Targets


def _entries(rows: Sequence[Mapping[str, Any]], engine: Stake | None) -> list[Entry[Any]]:
    """Index entries as recorded, the oldest without a parent; with an engine they bear the notes that it would give them."""
    entries: list[Entry[Any]] = []
    stake = work = stakes = anchor = 0
    for row in rows:
        parent = entries[-1].header.hash if entries else bytes(32)
        header = PeercoinHeader(6, parent, bytes(32), row["time"], int(row["bits"], 16), 0, row["pos"])
        height, note = row["height"], b""
        stakes = row.get("heightStake", stakes + row["pos"])
        if engine is not None and entries:
            if row["pos"]:
                stake = height
            else:
                work = height
                if not engine.switches.v14.holds(entries[-1]):
                    anchor = height
            note = Note(row["pos"], 0, 0, 0, stakes, stake, work, anchor).encode()
        elif engine is not None:
            stake = work = anchor = height
        entries.append(Entry(header, height, 0, note=note))
    return entries


def _retarget(root: Path, at: int, upto: int, noted: bool) -> None:
    era = _load(root / "functions.json")["retarget"][at]
    engine = _engine(era["network"])
    entries = _era(root, at, noted)[: upto + 1]
    branch, row = ListBranch(entries, entries[0].height), era["entries"][upto]
    assert f"{next_bits(engine.rule, branch, False):08x}" == row["nextPow"]
    assert f"{next_bits(engine.rule, branch, True):08x}" == row["nextPos"]
    if noted and upto:
        plain = ListBranch(_era(root, at, False)[: upto + 1], entries[0].height)
        assert anchor_height(engine.switches, branch, branch.tip) == anchor_height(engine.switches, plain, plain.tip)


@cache
def _era(root: Path, at: int, noted: bool) -> list[Entry[Any]]:
    era = _load(root / "functions.json")["retarget"][at]
    return _entries(era["entries"], _engine(era["network"]) if noted else None)


def targets(root: Path) -> Iterator[Case]:
    """The target of the next block of either kind, found by walking headers, and again by the notes of judged blocks."""
    for at, era in enumerate(_load(root / "functions.json")["retarget"]):
        for upto, row in enumerate(era["entries"]):
            if "nextPow" in row:
                for noted in (False, True):
                    how = "notes" if noted else "headers"
                    name = f"{era['network']}-{era['era']}/{row['height']}/{how}"
                    yield name, partial(_retarget, root, at, upto, noted)
            else:
                assert "nextPos" not in row
    for at, case in enumerate(_load(root / "mainnet" / "pow-tests-next-target.json")["cases"]):
        yield f"pow_tests/{at}/{case['test']}", partial(_next_target, case)


def _next_target(case: Mapping[str, Any]) -> None:
    engine = _engine(case["network"])
    for noted in (None, engine):
        entries = _entries(case["chain"], noted)
        found = next_bits(engine.rule, ListBranch(entries, entries[0].height), case["proofOfStake"])
        assert f"{found:08x}" == case["expectedNextBits"], f"{found:08x}"


# Kernels


def kernels(root: Path) -> Iterator[Case]:
    """One kernel of mainnet under version 0.3, and the same with another modifier."""
    row = _load(root / "mainnet" / "mainnet-kernel-v03-umint.json")["kernel"]
    yield "mainnet/v0.3", partial(_umint, row, 0)
    yield "mainnet/v0.3/modifier + 1", partial(_umint, row, 1)


def _umint(row: Mapping[str, Any], change: int) -> None:
    engine = _engine("main")
    coin = Stakeable(row["value"], row["nTimeBlockFrom"], row["nTxPrevOffset"], row["nTimeTxPrev"], row["nPrevout"])
    bits, time = int(row["bits"], 16), row["nTimeTx"]
    days = weight(coin, time, engine.ages, engine.switches)
    assert days == row["coinDayWeight"]
    proof = kernel_hash(coin, time, int(row["modifier"], 16) + change, bits)
    assert (proof[::-1].hex() == row["hashProof"]) == (change == 0)
    assert meets(proof, bits, days) == (row["meets"] and change == 0)


# Networks


def parameters(root: Path) -> Iterator[Case]:
    """The figures of the networks, their genesis blocks and their checkpoints."""
    params = _load(root / "mainnet" / "params.json")
    yield "common", partial(_common, params["common"])
    for name, row in params["networks"].items():
        yield f"network/{name}", partial(_network, name, row, params["genesisCoinbase"])
    points = _load(root / "mainnet" / "checkpoints.json")
    for name in ("main", "test"):
        for height, digest in points[name]["blockHash"].items():
            yield f"checkpoint/{name}/{height}", partial(_checkpoint, name, int(height), digest)
        for height, word in points[name]["stakeModifierChecksum"].items():
            yield f"checksum/{name}/{height}", partial(_pinned, name, int(height), word)
    for name, time in points["switchTimes"].items():
        yield f"switch/{name}", partial(_switch, name, time)
    for name, row in points["forkHeights"].items():
        for network, text in row.items():
            yield f"fork height/{name}/{network}", partial(_fork_height, name, network, text)
    yield "regtest's switches", _regtest_switches


def _common(row: Mapping[str, Any]) -> None:
    p, rule = PARAMETERS["peercoin-mainnet"], _engine("main").rule
    assert (rule.spacing, rule.timespan, rule.most_work_spacing) == (
        row["stakeTargetSpacing"],
        row["targetTimespan"],
        row["targetSpacingWorkMax"],
    )
    assert (rule.work_spacing, rule.half_life, p.ages.most) == (
        row["powSpacingV09"],
        row["asertHalfLife"],
        row["stakeMaxAge"],
    )
    assert (COIN, MONEY.cent, MONEY.least_fee, MONEY.fee_per_kilobyte, MONEY.least_output) == (
        row["coin"],
        row["cent"],
        row["minTxFee"],
        row["perKbFee"],
        row["minTxOut"],
    )
    assert MONEY.fee_per_byte * 1_000 == row["perKbFee"]
    assert (p.max_money, MONEY.most_work_reward, MONEY.most_work_reward_v10) == (
        row["maxMoney"],
        row["maxPowReward"],
        row["maxPowRewardV10"],
    )
    switches = p.switches
    assert (switches.drift(switches.v09 - 1), switches.drift(switches.v09)) == (
        row["driftBeforeV09"],
        row["driftV09"],
    )
    for now in (switches.v09 - 1, switches.v09):
        assert MAINNET.network.drift_at(now) == switches.drift(now)
    rules = MAINNET.ledger.rules  # type: ignore[attr-defined]
    assert (rules.max_weight, rules.max_sigop_cost) == (row["maxBlockWeight"], row["maxSigopsCost"])
    assert (MAINNET.network.protocol_version, MAINNET.network.min_peer_version) == (
        row["protocolVersion"],
        row["minPeerVersion"],
    )
    sections = _engine("main").modifiers.sections
    assert (
        sections[63] == _engine("main").modifiers.interval
        and sections[63] // sections[0] == row["modifierIntervalRatio"]
    )


def _network(name: str, row: Mapping[str, Any], coinbase: Mapping[str, Any]) -> None:
    spec, engine = NETWORKS[name], _engine(name)
    assert (spec.network.magic.hex(), spec.network.p2p_port, spec.network.bitcoin_rpc_port) == (
        row["magic"],
        row["p2pPort"],
        row["rpcPort"],
    )
    assert (engine.rule.limit, engine.rule.first) == (int(row["powLimit"], 16), int(row["initialTarget"], 16))
    assert engine.rule.fixed == row["noRetarget"]
    if row["noRetarget"]:
        assert f"{compact(engine.rule.limit):08x}" == row["fixedBits"]
    assert (engine.ages.least, engine.modifiers.min_age) == (row["stakeMinAge"], row["stakeMinAge"])
    assert (engine.modifiers.interval, engine.modifiers.span) == (row["modifierInterval"], row["selectionInterval"])
    assert spec.ledger.rules.maturity == row["coinbaseMaturity"]  # type: ignore[attr-defined]
    style = spec.addresses
    assert (style.p2pkh, style.p2sh, style.wif, style.hrp) == (
        bytes((row["pubkeyByte"],)),
        bytes((row["scriptByte"],)),
        bytes((row["secretByte"],)),
        row["bech32"],
    )
    genesis: Any = spec.genesis
    header, told = genesis.header, row["genesisHeader"]
    assert header.hash[::-1].hex() == row["genesisHash"]
    assert (header.version, header.timestamp, f"{header.bits:08x}", header.nonce) == (
        told["version"],
        told["time"],
        told["bits"],
        told["nonce"],
    )
    if "genesisHex" in row:
        assert encode_block(genesis).hex() == row["genesisHex"]
    tx = genesis.txs[0]
    assert (tx.version, tx.time, header.merkle_root[::-1].hex()) == (
        coinbase["version"],
        coinbase["nTime"],
        coinbase["merkleRoot"],
    )
    assert tx.outputs == ((0, b""),)


def _checkpoint(name: str, height: int, digest: str) -> None:
    spec = NETWORKS[name]
    found = spec.genesis.header.hash if height == 0 else spec.checkpoints[height]
    assert found[::-1].hex() == digest


def _pinned(name: str, height: int, word: str) -> None:
    engine = _engine(name)
    assert f"{engine.checksums[height]:08x}" == word
    if height == 0:
        assert engine.modifiers.genesis.checksum == engine.checksums[0]


def _switch(name: str, time: int) -> None:
    test = "Test" in name
    word = name.removeprefix("n").replace("TestSwitchTime", "").replace("SwitchTime", "")
    field = "bips" if word == "BTC16BIPs" else "v" + word.removeprefix("ProtocolV")
    found = getattr(_engine("test" if test else "main").switches, field)
    assert getattr(found, "time", found) == time, (field, found)


def _fork_height(name: str, network: str, text: str) -> None:
    switches = _engine(network).switches
    if name == "v15":
        wanted = switches.majority
        assert wanted is not None and text.startswith(f"{wanted.needed} of ") and f"{wanted.window} PoS" in text
        assert wanted.version == 6
    else:
        assert text == f"prev height > {getattr(switches, name).above}"


def _regtest_switches() -> None:
    mine, test = _engine("regtest").switches, _engine("test").switches
    for name in ("v03", "v04", "v05", "v07", "bips", "v09", "v10"):
        assert getattr(mine, name) == getattr(test, name)
    genesis: Any = Entry(REGTEST.genesis.header, 0, 1)
    assert all(s.holds(genesis) for s in (mine.v06, mine.v12, mine.v14, mine.v15)) and mine.majority is None


SUITES: dict[str, Callable[[Path], Iterator[Case]]] = {
    "functions": functions,
    "targets": targets,
    "kernels": kernels,
    "parameters": parameters,
}
