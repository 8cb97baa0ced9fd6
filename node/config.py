"""Config: command line, then environment, then ./chainyard.toml, then <datadir>/chainyard.toml, then the default.

An unknown key is an error with a suggestion: a setting that is silently ignored costs an hour.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

PREFIX = "CHAINYARD_"


class ConfigError(Exception):
    """A setting that cannot be: what, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a node. Field names are the keys of the file; with dashes, the options of the command line."""

    chain: str = "regtest"
    datadir: Path | None = None
    """Where everything is kept; each chain has a folder of its own in it. None: the platform's place for data."""
    ephemeral: bool = False
    """Keep the chain in memory alone."""
    host: str = "127.0.0.1"
    """Address that peers connect to."""
    port: int | None = None
    """Port that peers connect to; None: the network's own, 0: a free one."""
    listen: bool = True
    connect: tuple[str, ...] = ()
    """Peers (HOST:PORT) to keep a connection to; where given, no others are dialled."""
    addnode: tuple[str, ...] = ()
    """Peers to keep a connection to, beside those found."""
    whitelist: tuple[str, ...] = ()
    """Addresses or networks whose peers are never banned or limited and may ask for the mempool (BIP35)."""
    name: str = ""
    """Shown to peers in the user agent; the nodes of a local network know each other by it."""
    max_connections: int = 125
    bitcoin_rpc_port: int | None = None
    ethereum_rpc_port: int | None = None
    ethereum_rpc_hosts: tuple[str, ...] = ()
    """Names in the Host header that the Ethereum-style RPC answers to, beside localhost and addresses; * for all."""
    ethereum_rpc_origins: tuple[str, ...] = ()
    """Web sites whose pages may use the Ethereum-style RPC; * for all."""
    rpc_host: str = "127.0.0.1"
    rpc_user: str = ""
    rpc_password: str = dataclasses.field(default="", repr=False)
    rpc_auth: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    """Core's user:salt$hmac lines."""
    rpc_whitelist: tuple[str, ...] = ()
    """user:method,method - where a user is named, only these methods."""
    mine: bool = False
    """Mine without end."""
    mine_to: str = ""
    """Address that mined blocks pay; empty: a wallet's, or one of the node's own."""
    threads: int = 0
    """Mining threads; 0: all cores."""
    ethash_dataset: bool = False
    """Make the full dataset of Ethash to mine with, however large it is; small ones are made without asking."""
    txindex: bool = True
    blockfilterindex: bool = True
    max_mempool: int = 300
    """Megabytes."""
    min_relay_fee: int = 1000
    """Satoshi for 1,000 virtual bytes."""
    accept_nonstandard: bool | None = None
    """Relay what is lawful but not standard; None: as the network does."""
    durability: str = "full"
    """full, batch or none: when a commit is on the disk for good."""
    ban_time: int = 24 * 60 * 60
    seed: int | None = None
    """Fixes randomness, for repeatable runs."""
    wallets: tuple[str, ...] = ()
    """Wallets to load at the start."""
    log_level: str = "info"
    log: tuple[str, ...] = ()
    """category=level, for single parts (net=debug)."""
    log_format: str = "text"
    log_file: str = "debug.log"
    """Name in the chain's folder; empty: no file."""
    quiet: bool = False
    accounts: int = 10
    """How many accounts on each side `chainyard dev` gives money to."""
    automine: bool | None = None
    """Mine every transaction at once, on local networks; None: as the chain's clients expect it."""
    block_time: float = 0.0
    """Seconds between blocks that a local node makes by itself; 0: none."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each setting came from."""

    @property
    def root(self) -> Path:
        """The data directory."""
        return self.datadir if self.datadir is not None else Path(platformdirs.user_data_dir("chainyard", False))

    @property
    def chain_folder(self) -> Path:
        """The folder of this chain in it; a chain given as a file is named after the file."""
        return self.root / Path(self.chain).stem


_NO_SETTINGS = {"vectors", "all", "jobs", "rpc_url", "tools", "record"}
"""Variables of the tests, and the client's."""
KEYS = {f.name: f for f in dataclasses.fields(Config) if f.name != "origins"}
_HINTS = typing.get_type_hints(Config)
SECRET = {"rpc_password", "rpc_auth"}


def load(command_line: Mapping[str, Any], environ: Mapping[str, str], folder: Path) -> Config:
    """Put the sources together; `folder` is where ./chainyard.toml is looked for. Raises ConfigError."""
    values: dict[str, tuple[Any, str]] = {}
    first = {k: v for k, v in command_line.items() if v is not None and v != ()}
    env = {k[len(PREFIX) :].lower(): v for k, v in environ.items() if k.startswith(PREFIX)}
    env = {k: v for k, v in env.items() if k not in _NO_SETTINGS}
    local = _file(folder / "chainyard.toml")
    datadir = first.get("datadir") or env.get("datadir") or local.get("datadir")
    beside = Config(datadir=_path(datadir)).root / "chainyard.toml"
    sources: list[tuple[str, Mapping[str, Any]]] = [
        (str(beside), _file(beside)),
        (str(folder / "chainyard.toml"), local),
    ]
    sources += [("environment", env), ("command line", first)]
    for origin, settings in sources:
        for key, value in settings.items():
            name = key.replace("-", "_")
            if name not in KEYS:
                raise ConfigError(unknown(key, KEYS, f"in {origin}"))
            values[name] = (_convert(name, value, origin), origin)
    return Config(**{k: v for k, (v, _) in values.items()}, origins={k: o for k, (_, o) in values.items()})


def unknown(key: str, known: typing.Iterable[str], where: str) -> str:
    """The message for a key that does not exist, with the one that was probably meant."""
    near = difflib.get_close_matches(key.replace("-", "_"), list(known), 1)
    hint = f"did you mean {near[0]}?" if near else "`chainyard config show` lists all keys"
    return f"unknown key {key!r} {where} - {hint}"


def _path(value: Any) -> Path | None:
    return None if value is None else Path(str(value)).expanduser()


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}") from e


def _convert(name: str, value: Any, origin: str) -> Any:
    hint = _HINTS[name]
    options = [t for t in typing.get_args(hint) if t is not type(None)] if isinstance(hint, types.UnionType) else [hint]
    wanted = options[0]
    try:
        if wanted is Path:
            return _path(value)
        if wanted is bool:
            return value if isinstance(value, bool) else _TRUTH[str(value).lower()]
        if wanted is int:
            if isinstance(value, bool | float):
                raise ValueError
            return int(value)
        if wanted is float:
            return float(value)
        if wanted is str:
            if not isinstance(value, str):
                raise ValueError
            return value
        items = value.split(",") if isinstance(value, str) else list(value)
        return tuple(str(i) for i in items if str(i))
    except (ValueError, KeyError, TypeError):
        kind = getattr(wanted, "__name__", "list")
        raise ConfigError(f"{name} = {value!r} in {origin} is not of type {kind}") from None


_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
