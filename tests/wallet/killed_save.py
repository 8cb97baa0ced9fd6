"""A program: opens a wallet, does one thing to it, and dies at the k-th call to the file system; what is left is looked at by a test.

Arguments: folder, what to do, how many calls to live for (0: all), and whether to die before or after the last one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from node.env import RealDisk
from tests.wallet.world import FAST, NET, Chain, World
from wallet.wallet import Wallet

CALLS = ("open", "write", "fchmod", "fsync", "close", "replace", "unlink", "mkdir", "rename")
DIED = 77
OLD, NEW = "old passphrase", "new passphrase"


def real_world(seed: int) -> World:
    """A test's clocks with the machine's disk."""
    world = World(seed)
    world.random = Random(seed)
    world.disk = RealDisk()  # type: ignore[assignment]
    return world


def address(wallet: Wallet) -> None:
    print(wallet.new_address("killed"))


def encrypt(wallet: Wallet) -> None:
    wallet.encrypt(NEW)


def passphrase(wallet: Wallet) -> None:
    wallet.change_passphrase(OLD, NEW)


def checkpoint(wallet: Wallet) -> None:
    wallet.state.checkpoint()


def label(wallet: Wallet) -> None:
    wallet.set_label(wallet.addresses().popitem()[0], "renamed")


DEEDS: dict[str, Callable[[Wallet], None]] = {f.__name__: f for f in (address, encrypt, passphrase, checkpoint, label)}


def die_at(limit: int, after: bool) -> Callable[[], int]:
    """Make the process end at a call; the count of calls so far is what the result gives."""
    count = 0

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == limit and not after:
                os._exit(DIED)
            try:
                return real(*args, **kwargs)
            finally:
                if count == limit:
                    os._exit(DIED)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))
    return lambda: count


def forked(folder: Path, deed: str, limit: int, after: bool) -> tuple[int, bytes]:
    """Do a deed in a child that dies at a call: how it ended, and what it said before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.dup2(writer, 1)
            sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
            wallet = Wallet.open("w", folder, real_world(limit + 1), NET, Chain(), FAST)
            counted = die_at(limit, after)
            DEEDS[deed](wallet)
            os._exit(min(counted(), DIED - 1) if limit == 0 else 0)
        finally:
            os._exit(78)
    os.close(writer)
    said = b""
    while chunk := os.read(reader, 4096):
        said += chunk
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
