"""geth's genesis.json as values: the schedule of forks, the difficulty eras, the accounts and the genesis block.

Source: go-ethereum, params/config.go and core/genesis.go. It opens no file and composes no chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from consensus import difficulty_ethereum as eras
from consensus.difficulty_ethereum import Difficulty, Era
from ledger.account import fees, rules
from ledger.account.ledger import Alloc, GenesisAccount, genesis_root
from ledger.account.requests import requests_hash
from ledger.account.rules import AccountRules, Schedule, Step
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader
from storage.kv import KV
from vm.evm.api import BlobSchedule

_BLOCK_FORKS: Final[tuple[tuple[str, AccountRules], ...]] = (
    ("homesteadBlock", rules.HOMESTEAD),
    ("eip150Block", rules.TANGERINE_WHISTLE),
    ("eip158Block", rules.SPURIOUS_DRAGON),
    ("byzantiumBlock", rules.BYZANTIUM),
    ("constantinopleBlock", rules.CONSTANTINOPLE),
    ("petersburgBlock", rules.PETERSBURG),
    ("istanbulBlock", rules.ISTANBUL),
    ("berlinBlock", rules.BERLIN),
    ("londonBlock", rules.LONDON),
)
_TIME_FORKS: Final[tuple[tuple[str, AccountRules], ...]] = (
    ("shanghaiTime", rules.SHANGHAI),
    ("cancunTime", rules.CANCUN),
    ("pragueTime", rules.PRAGUE),
    ("osakaTime", rules.OSAKA),
    ("bpo1Time", rules.BPO1),
    ("bpo2Time", rules.BPO2),
    ("bpo3Time", rules.BPO2.evolve("BPO3", rules.BPO2.fork)),
    ("bpo4Time", rules.BPO2.evolve("BPO4", rules.BPO2.fork)),
    ("bpo5Time", rules.BPO2.evolve("BPO5", rules.BPO2.fork)),
)
_MARKS: Final = (
    "daoForkBlock", "eip155Block", "muirGlacierBlock", "arrowGlacierBlock", "grayGlacierBlock", "mergeNetsplitBlock",
)  # fmt: skip
_ERAS: Final[tuple[tuple[str, Era], ...]] = (
    ("homesteadBlock", eras.HOMESTEAD),
    ("byzantiumBlock", eras.BYZANTIUM),
    ("constantinopleBlock", eras.CONSTANTINOPLE),
    ("muirGlacierBlock", eras.MUIR_GLACIER),
    ("londonBlock", eras.LONDON),
    ("arrowGlacierBlock", eras.ARROW_GLACIER),
    ("grayGlacierBlock", eras.GRAY_GLACIER),
)


def schedule_of(config: Mapping[str, Any]) -> Schedule:
    """The schedule of forks that a `config` describes. Blob schedules and the deposit contract of the file replace the fork's own."""
    steps = [Step(rules.FRONTIER)]
    given = dict(config)
    if given.get("petersburgBlock") is None:
        given["petersburgBlock"] = given.get("constantinopleBlock")
    protected = given.get("eip155Block", given.get("eip158Block"))
    for name, fork_rules in _BLOCK_FORKS:
        if given.get(name) is None:
            continue
        at = int(given[name])
        if fork_rules.replay_protection and (protected is None or at < protected):
            fork_rules = replace(fork_rules, replay_protection=False)
        steps.append(Step(fork_rules, block=at))
        if fork_rules is rules.TANGERINE_WHISTLE and protected is not None and at <= protected < _next(given, at):
            steps.append(Step(replace(fork_rules, replay_protection=True), block=protected))
    if given.get("terminalTotalDifficulty") is not None:
        steps.append(Step(rules.PARIS, merged=True))
    for name, fork_rules in _TIME_FORKS:
        if given.get(name) is not None:
            steps.append(Step(_with_own_values(fork_rules, given), time=int(given[name]), merged=True))
    dao = given.get("daoForkBlock") if given.get("daoForkSupport") else None
    marks = {int(given[name]) for name in _MARKS if given.get(name) is not None}
    return Schedule(int(given["chainId"]), tuple(steps), dao, tuple(sorted(marks)))


def _next(given: Mapping[str, Any], at: int) -> int:
    """The block of the next fork that brings replay protection itself."""
    after = given.get("eip158Block")
    return at if after is None else int(after)


def _with_own_values(fork_rules: AccountRules, given: Mapping[str, Any]) -> AccountRules:
    changes: dict[str, Any] = {}
    blobs = (given.get("blobSchedule") or {}).get(fork_rules.name.lower())
    if blobs is not None:
        schedule = BlobSchedule(int(blobs["target"]), int(blobs["max"]), int(blobs["baseFeeUpdateFraction"]))
        changes["fork"] = replace(fork_rules.fork, blobs=schedule)
    if fork_rules.deposits is not None and given.get("depositContractAddress"):
        changes["deposits"] = _bytes(given["depositContractAddress"], 20)
    return replace(fork_rules, **changes) if changes else fork_rules


def difficulty_of(config: Mapping[str, Any]) -> Difficulty:
    """The difficulty eras that a `config` describes."""
    found = [(0, eras.FRONTIER)]
    found += [(int(config[name]), era) for name, era in _ERAS if config.get(name) is not None]
    return Difficulty(tuple(found))


def _number(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text[2:] or "0", 16) if text[:2] in ("0x", "0X") else int(text or "0")


def _bytes(value: Any, size: int | None = None) -> bytes:
    text = str(value or "").removeprefix("0x")
    data = bytes.fromhex("0" * (len(text) & 1) + text)
    return data if size is None else data.rjust(size, b"\0")


def alloc_of(accounts: Mapping[str, Any]) -> Alloc:
    """The accounts of an `alloc`."""
    return tuple(
        GenesisAccount(
            _bytes(address, 20),
            _number(fields.get("balance")),
            _number(fields.get("nonce")),
            _bytes(fields.get("code")),
            tuple(
                (int.from_bytes(_bytes(slot), "big"), word)
                for slot, value in (fields.get("storage") or {}).items()
                if (word := int.from_bytes(_bytes(value), "big"))
            ),
        )
        for address, fields in accounts.items()
    )


def genesis_block(genesis: Mapping[str, Any], schedule: Schedule, scratch: KV) -> EthereumBlock:
    """The genesis block of a genesis.json; `scratch` takes the state that its root is computed from."""
    number, time = _number(genesis.get("number")), _number(genesis.get("timestamp"))
    difficulty = _number(genesis.get("difficulty"))
    merged = (genesis.get("config") or {}).get("terminalTotalDifficulty") == 0
    now = schedule.at(number, time, 0 if merged else difficulty)
    blobs = now.fork.blobs is not None
    base_fee = genesis.get("baseFeePerGas")
    header = EthereumHeader(
        _bytes(genesis.get("parentHash"), 32), EMPTY_OMMERS, _bytes(genesis.get("coinbase"), 20),
        genesis_root(alloc_of(genesis.get("alloc") or {}), scratch), EMPTY_ROOT, EMPTY_ROOT, EMPTY_BLOOM,
        difficulty, number, _number(genesis.get("gasLimit")), _number(genesis.get("gasUsed")), time,
        _bytes(genesis.get("extraData")), _bytes(genesis.get("mixHash") or genesis.get("mixhash"), 32),
        _bytes(genesis.get("nonce"), 8),
        base_fee=(fees.INITIAL_BASE_FEE if base_fee is None else _number(base_fee)) if now.fee_market else None,
        withdrawals_root=EMPTY_ROOT if now.withdrawals else None,
        blob_gas_used=_number(genesis.get("blobGasUsed")) if blobs else None,
        excess_blob_gas=_number(genesis.get("excessBlobGas")) if blobs else None,
        parent_beacon_root=bytes(32) if now.beacon_roots is not None else None,
        requests_hash=requests_hash(()) if now.has_requests else None,
    )  # fmt: skip
    return EthereumBlock(header, withdrawals=() if now.withdrawals else None)
