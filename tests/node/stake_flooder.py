"""Attackers for test_stake_flood_net.py: a process that sends stake headers without stake, as fast as they are taken."""

from __future__ import annotations

import asyncio
import os
import struct
import sys

from chains.peercoin import SPECS
from p2p import messages as m
from p2p.framing import Framer, pack
from primitives.buffer import compact_size
from primitives.hashing import sha256d
from primitives.target import compact

AT_ONCE = 2_000
AHEAD = 8
"""Messages that are sent before the node has taken those before them."""


def headers(spec: object) -> bytes:
    """A `headers` message: 2,000 lawful headers of stake above genesis, a block's spacing apart, so that the target stays what it is."""
    chain = spec
    genesis, rule = chain.genesis.header, chain.engine.rule  # type: ignore[attr-defined]
    bits = rule.limit_bits if rule.fixed else compact(rule.first)
    parent, parts = genesis.hash, []
    for n in range(1, AT_ONCE + 1):
        time = genesis.timestamp + n * rule.spacing
        raw = struct.pack("<i32s32sIII", 6, parent, os.urandom(32), time, bits, 0)
        parts.append(raw + b"\1\0\0\0\0\0")
        parent = sha256d(raw)
    return pack(chain.network.magic, "headers", compact_size(AT_ONCE) + b"".join(parts))  # type: ignore[attr-defined]


class Victim:
    """A connection to the node; how many messages it has dealt with, told by its answers to the ping behind each."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, magic: bytes) -> None:
        self.reader, self.writer, self.magic = reader, writer, magic
        self.taken = 0
        self.closed = False
        self.moved = asyncio.Event()

    async def read(self) -> None:
        """Count pongs and answer pings, until the connection ends."""
        framer = Framer(self.magic, 4_000_000)
        try:
            while data := await self.reader.read(1 << 16):
                for frame in framer.feed(data):
                    if frame.command == "pong":
                        self.taken += 1
                        self.moved.set()
                    elif frame.command == "ping":
                        self.writer.write(pack(self.magic, "pong", frame.payload))
        except OSError:
            pass
        self.closed = True
        self.moved.set()

    async def send(self, message: bytes, sent: int) -> None:
        """Send a message, the `sent`th, once the node is no more than some behind."""
        while not self.closed and sent - self.taken > AHEAD:
            self.moved.clear()
            await self.moved.wait()
        self.writer.write(message + pack(self.magic, "ping", sent.to_bytes(8, "little")))
        await self.writer.drain()


async def attack(port: int, chain: str, messages: int, enough: asyncio.Event) -> int:
    """Have the node take so many messages, and half as many after the word that it is enough; how many it took.

    Over a new connection where the old one was cut.
    """
    spec, taken, until = SPECS[chain], 0, 0
    hello = m.Version(spec.network.protocol_version, 9, 0, nonce=int.from_bytes(os.urandom(8), "little"))
    greeting = pack(spec.network.magic, "version", m.encode(hello)) + pack(spec.network.magic, "verack", b"")
    while taken < until or not until:
        before = taken
        try:
            victim = Victim(*await asyncio.open_connection("127.0.0.1", port), spec.network.magic)
            reading = asyncio.ensure_future(victim.read())
            victim.writer.write(greeting)
            sent = 0
            while (taken < until or not until) and not victim.closed:
                sent += 1
                await victim.send(headers(spec), sent)
                if (before + victim.taken) // 5 > taken // 5:
                    print((before + victim.taken) * AT_ONCE, flush=True)
                taken = before + victim.taken
                if enough.is_set() and not until:
                    until = max(messages, taken + messages // 2)
            victim.writer.close()
            await reading
        except OSError:
            await asyncio.sleep(0.05)
    return taken


async def main() -> None:
    """`python -m tests.node.stake_flooder PORT CHAIN HEADERS CONNECTIONS`; prints how far each connection is.

    The end of its input is the word that it is enough.
    """
    port, chain, count, connections = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    each = -(-count // AT_ONCE // connections)
    enough = asyncio.Event()

    async def listen() -> None:
        await asyncio.to_thread(sys.stdin.read)
        enough.set()

    *sent, _ = await asyncio.gather(*(attack(port, chain, each, enough) for _ in range(connections)), listen())
    print(f"done {AT_ONCE * sum(n for n in sent if n is not None)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
