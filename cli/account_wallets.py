"""Wallets of accounts on this machine: where they are, and how one process alone opens one.

It knows no command. The keys are wallet/accounts.py's.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.output import USAGE, CliError
from cli.secrets import ask
from node.config import Config
from node.env import RealEnv, make_directory
from node.ethereum_client import EthereumSource
from primitives.address import AddressStyle, account_encode
from wallet import hd
from wallet.accounts import Accounts, SendTerms
from wallet.api import CoinNet
from wallet.spend_account import Call
from wallet.state import WalletState

MAINNET = 1
SECONDS = 600
"""For how long a command that signs unlocks a wallet; it is locked again at its end."""


def folder_of(chain_id: int) -> Path:
    """Where the wallets of a chain are."""
    given = os.environ.get("CHAINYARD_DATADIR")
    return Config(datadir=Path(given) if given else None).root / "accounts" / str(chain_id)


def path_of(name: str, chain_id: int) -> Path:
    """The folder of a wallet. Raises CliError for a name that would lead elsewhere."""
    if not name or name in (".", "..") or any(c in "/\\" or not c.isprintable() for c in name) or len(name) > 100:
        raise CliError(f"{name!r} cannot be the name of a wallet", USAGE)
    return folder_of(chain_id) / name


def net_of(chain_id: int) -> CoinNet:
    """How a chain's keys are written; real money is signed for by the constant-time library alone."""
    if chain_id == MAINNET:
        return CoinNet(
            f"chain {chain_id}", AddressStyle(b"\x00", b"\x05", b"\x80", "bc", hd.XPUB, hd.XPRV), coin_type=0
        )
    return CoinNet(f"chain {chain_id}", AddressStyle(b"\x6f", b"\xc4", b"\xef", "bcrt", hd.TPUB, hd.TPRV))


@dataclass(slots=True, eq=False)
class OpenSender:
    """An account of an open wallet that sends."""

    accounts: Accounts
    address: bytes

    def completed(self, call: Call, terms: SendTerms) -> Call:
        """The call with the sender's own authorization where the terms want one."""
        return self.accounts.completed(self.address, call, terms)

    def send(self, call: Call, terms: SendTerms) -> bytes:
        """Sign here, write down, and send."""
        return self.accounts.send(self.address, call, terms).id


class Opened:
    """A wallet that this process alone uses until it is closed."""

    def __init__(self, state: WalletState, source: EthereumSource, from_stdin: bool) -> None:
        self.state = state
        self.accounts = Accounts(state, source)
        self._from_stdin = from_stdin

    def unlock(self) -> None:
        """Ask for the passphrase where there is one. Raises CliError, WalletError."""
        vault, now = self.state.vault, self.state.env.monotonic()
        if vault.is_encrypted and not vault.is_open(now):
            vault.open(ask(f"Passphrase of {self.state.name}", self._from_stdin), now, SECONDS)

    def pick(self, address: bytes | None) -> bytes:
        """The account that is meant: the only one where none is named. Raises CliError."""
        held = [one.address for one in self.accounts.all()]
        if address is None and len(held) == 1:
            return held[0]
        if address is None:
            why = "the wallet has several accounts" if held else "the wallet has no account"
            raise CliError(why, USAGE, "name one with --from" if held else "`chainyard account new` makes one")
        if address not in held:
            raise CliError(f"the wallet has no key of {account_encode(address)}", USAGE)
        return address

    def sender(self, address: bytes | None) -> OpenSender:
        """An account that can sign, its wallet unlocked."""
        chosen = self.pick(address)
        self.unlock()
        return OpenSender(self.accounts, chosen)


@contextmanager
def alone(folder: Path) -> Iterator[RealEnv]:
    """This process alone uses the folder, so that two sends do not take the same nonce."""
    make_directory(folder)
    env = RealEnv()
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield env
        finally:
            env.close()


@contextmanager
def opened(name: str, chain_id: int, source: EthereumSource, from_stdin: bool) -> Iterator[Opened]:
    """A wallet on this machine. Raises CliError where there is none."""
    folder = path_of(name, chain_id)
    if not (folder / "wallet.json").exists():
        raise CliError(
            f"there is no wallet {name!r} for chain {chain_id}", USAGE, "`chainyard account create` makes one"
        )
    with alone(folder) as env:
        state = WalletState.load(name, folder, env, net_of(chain_id))
        try:
            yield Opened(state, source, from_stdin)
        finally:
            state.vault.close()
