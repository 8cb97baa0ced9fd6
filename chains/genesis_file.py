"""Reads geth's genesis.json strictly: names in any case as geth does, but every key known, every value of its kind, forks in order.

It gives the same object with the names as geth writes them. What a fork is, ethereum_genesis.py knows.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any, Final

from chains.overrides import ChainFileError, suggest

_BLOCKS: Final = (
    "homesteadBlock", "daoForkBlock", "eip150Block", "eip155Block", "eip158Block", "byzantiumBlock", "constantinopleBlock",
    "petersburgBlock", "istanbulBlock", "muirGlacierBlock", "berlinBlock", "londonBlock", "arrowGlacierBlock", "grayGlacierBlock",
    "mergeNetsplitBlock",
)  # fmt: skip
_TIMES: Final = (
    "shanghaiTime", "cancunTime", "pragueTime", "osakaTime", "bpo1Time", "bpo2Time", "bpo3Time", "bpo4Time", "bpo5Time",
)  # fmt: skip
_OPTIONAL: Final = {
    "daoForkBlock", "muirGlacierBlock", "arrowGlacierBlock", "grayGlacierBlock", "mergeNetsplitBlock",
    "bpo1Time", "bpo2Time", "bpo3Time", "bpo4Time", "bpo5Time",
}  # fmt: skip
"""Forks that may be left out before later ones."""
_BLOBS: Final = ("cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5")
_OWN_BLOBS: Final = ("bpo3", "bpo4", "bpo5")
"""Forks that are nothing but a blob schedule, and whose schedule no public network has fixed."""
_UNKNOWN_FORKS: Final = ("amsterdamTime", "ubtTime", "verkleTime")
"""Forks that geth can name and that are not known here."""
_PASSED_OVER: Final = (
    "eip150Hash", "mergeForkBlock", "terminalTotalDifficultyPassed", "enableVerkleAtGenesis", "enableUBTAtGenesis",
)  # fmt: skip
"""Keys that geth has or had, and that change nothing here."""


def _number(bits: int) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        found = value
        if isinstance(value, str):
            text = value.lower()
            digits = text.removeprefix("0x")
            base = 16 if text.startswith("0x") else 10
            allowed = string.hexdigits if base == 16 else string.digits
            found = int(digits or "0", base) if len(digits) <= 80 and all(c in allowed for c in digits) else None
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 1 << bits:
            raise ChainFileError(f"{where} is a number of up to {bits} bits, not {_shown(value)}")
        return found

    return read


def _hex(size: int | None, shorter: bool = False) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        digits = value.lower().removeprefix("0x") if isinstance(value, str) else None
        if digits is not None and all(c in string.hexdigits for c in digits):
            if size is None and len(digits) % 2 == 0:
                return "0x" + digits
            if size is not None and (len(digits) == 2 * size or (shorter and len(digits) <= 2 * size)):
                return "0x" + digits.rjust(2 * size, "0")
        kind = "hex digits in pairs" if size is None else f"{'up to ' if shorter else ''}{2 * size} hex digits"
        raise ChainFileError(f"{where} is {kind}, not {_shown(value)}")

    return read


def _flag(value: Any, where: str) -> Any:
    if not isinstance(value, bool):
        raise ChainFileError(f"{where} is true or false, not {_shown(value)}")
    return value


def _table(value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ChainFileError(f"{where} is an object, not {_shown(value)}")
    return value


def _as_it_is(value: Any, where: str) -> Any:
    return value


def _not_known(value: Any, where: str) -> Any:
    raise ChainFileError(f"{where}: this fork is not known here")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


Readers = Mapping[str, Callable[[Any, str], Any]]


def _storage(value: Any, where: str) -> Any:
    word = _hex(32, shorter=True)
    return {word(slot, f"{where} slot"): word(v, f"{where}[{slot}]") for slot, v in _table(value, where).items()}


_ACCOUNT: Final[Readers] = {
    "balance": _number(256), "nonce": _number(64), "code": _hex(None), "storage": _storage, "secretKey": _as_it_is,
}  # fmt: skip
_BLOB_FIELDS: Final[Readers] = {name: _number(64) for name in ("target", "max", "baseFeeUpdateFraction")}


def _alloc(value: Any, where: str) -> Any:
    found = {}
    for address, fields in _table(value, where).items():
        key = _hex(20)(address, f"an address of {where}")
        found[key] = _object(fields, f"{where}[{address}]", _ACCOUNT, ("balance",))
    return found


def _blob_schedule(value: Any, where: str) -> Any:
    forks: Readers = {name: lambda v, at: _object(v, at, _BLOB_FIELDS, tuple(_BLOB_FIELDS)) for name in _BLOBS}
    return _object(value, where, forks)


_CONFIG: Final[Readers] = {
    "chainId": _number(256),
    **{name: _number(64) for name in (*_BLOCKS, *_TIMES)},
    "daoForkSupport": _flag,
    "terminalTotalDifficulty": _number(256),
    "depositContractAddress": _hex(20),
    "blobSchedule": _blob_schedule,
    "ethash": _as_it_is,
    "clique": _as_it_is,
    **dict.fromkeys(_UNKNOWN_FORKS, _not_known),
    **dict.fromkeys(_PASSED_OVER, _as_it_is),
}


def _config(value: Any, where: str) -> Any:
    return _object(value, where, _CONFIG, ("chainId",))


_GENESIS: Final[Readers] = {
    "config": _config, "nonce": _number(64), "timestamp": _number(64), "extraData": _hex(None), "gasLimit": _number(64),
    "difficulty": _number(256), "mixHash": _hex(32), "coinbase": _hex(20), "alloc": _alloc, "number": _number(64),
    "gasUsed": _number(64), "parentHash": _hex(32), "baseFeePerGas": _number(256), "excessBlobGas": _number(64),
    "blobGasUsed": _number(64), "stateRoot": _hex(32),
}  # fmt: skip


def _object(value: Any, where: str, readers: Readers, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object with geth's spelling of its names; nulls are left out. Of two spellings the later one holds, as in Go."""
    names = {name.lower(): name for name in readers}
    found: dict[str, Any] = {}
    for key, item in _table(value, where or "a genesis.json").items():
        at = f"{where}.{key}" if where else key
        name = names.get(key.lower())
        if name is None:
            raise ChainFileError(f"unknown key {at}" + suggest(key, readers))
        if item is None:
            found.pop(name, None)
        else:
            found[name] = readers[name](item, at)
    for name in required:
        if name not in found:
            raise ChainFileError(f"missing required field {where + '.' if where else ''}{name}")
    return found


def _check_order(config: Mapping[str, Any]) -> None:
    """Forks come one after another, and none is left out before a later one. Source: params/config.go, CheckConfigForkOrder."""
    before: str | None = None
    for name in (*_BLOCKS, *_TIMES):
        at = config.get(name)
        if before is not None and at is not None:
            last = config.get(before)
            if last is None:
                raise ChainFileError(f"unsupported fork ordering: {before} not enabled, but {name} enabled at {at}")
            if (before in _TIMES) == (name in _TIMES) and last > at:
                raise ChainFileError(
                    f"unsupported fork ordering: {before} enabled at {last}, but {name} enabled at {at}"
                )
        if at is not None or name not in _OPTIONAL:
            before = name


def read_genesis(genesis: Any) -> dict[str, Any]:
    """The genesis.json with every name and value checked. Raises ChainFileError, one line that says where and what."""
    found = _object(genesis, "", _GENESIS, ("config", "gasLimit", "difficulty", "alloc"))
    config = found["config"]
    _check_order(config)
    for fork in _OWN_BLOBS:
        if f"{fork}Time" in config and fork not in config.get("blobSchedule", {}):
            raise ChainFileError(f"missing required field config.blobSchedule.{fork}")
    return found
