"""What the network keeps on disk: address book, ban list, and the anchors that a restart connects to first.

A file that is damaged is not used, said once, and replaced; it never stops the node.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from p2p.addresses import AddressBook
from p2p.bans import BanList
from p2p.limits import ANCHORS
from p2p.netaddress import NetAddress, read_v2, write_v2
from primitives.buffer import Reader, Writer
from primitives.env import Env
from primitives.errors import DecodeError

log = logging.getLogger("net")


class Saved:
    """The three files of a directory; None keeps nothing."""

    def __init__(self, env: Env, directory: Path | None, local: bool) -> None:
        self.env = env
        self.directory = directory
        self.local = local

    def _read(self, name: str) -> bytes | None:
        return None if self.directory is None else self.env.disk.read(self.directory / name)

    def book(self) -> AddressBook:
        """The address book, an empty one where there is none."""
        data = self._read("peers.dat")
        if data is not None:
            try:
                return AddressBook.decode(data, self.env.random, self.env.now(), self.local)
            except DecodeError as e:
                log.warning("peers.dat is not used: %s", e)
        return AddressBook(self.env.random, private=self.local)

    def bans(self) -> BanList:
        """The ban list."""
        data = self._read("banlist.json")
        if data is not None:
            try:
                return BanList.decode(data, self.env.monotonic())
            except DecodeError as e:
                log.warning("banlist.json is not used: %s", e)
        return BanList()

    def anchors(self) -> list[NetAddress]:
        """Where the block-only connections went when the node stopped."""
        data = self._read("anchors.dat")
        if data is None:
            return []
        try:
            return list(Reader(data).many(read_v2, 4, ANCHORS))
        except DecodeError as e:
            log.warning("anchors.dat is not used: %s", e)
            return []

    def writes(self, book: AddressBook, bans: BanList, anchors: Iterable[NetAddress]) -> list[Callable[[], None]]:
        """What writes the files, each from bytes that are fixed now, so that it may run on any thread."""
        if self.directory is None:
            return []
        w = Writer()
        w.many(list(anchors)[:ANCHORS], write_v2)
        files = {"peers.dat": book.encode(), "anchors.dat": w.done()}
        if bans.changed:
            bans.changed = False
            files["banlist.json"] = bans.encode(self.env.monotonic())
        return [partial(self.env.disk.write, self.directory / name, data) for name, data in files.items()]
