"""Attackers for test_stake_flood_net.py: a process that sends stake headers without stake, as fast as they are taken."""

from __future__ import annotations

import asyncio
import os
import struct
import sys

from chains.peercoin import SPECS
from p2p import messages as m
from p2p.framing import pack
from primitives.buffer import compact_size
from primitives.hashing import sha256d
from primitives.target import compact

AT_ONCE = 2_000


def headers(spec: object) -> bytes:
    """A `headers` message: 2,000 lawful headers of stake above genesis, a block's spacing apart, so that the target stays what it is."""
    chain = spec
    genesis, rule = chain.genesis.header, chain.engine.rule  # type: ignore[attr-defined]
    bits = rule.limit_bits if rule.fixed else compact(rule.first)
    parent, parts = genesis.hash, []
    for n in range(1, AT_ONCE + 1):
        time = genesis.timestamp + n * rule.spacing
        raw = struct.pack("<i32s32sIII", 1, parent, os.urandom(32), time, bits, 0)
        parts.append(raw + b"\1\0\0\0\0\0")
        parent = sha256d(raw)
    return pack(chain.network.magic, "headers", compact_size(AT_ONCE) + b"".join(parts))  # type: ignore[attr-defined]


async def attack(port: int, chain: str, messages: int) -> None:
    """Send so many messages, over a new connection where the old one was cut; what the node says is read and ignored."""
    spec, sent = SPECS[chain], 0
    hello = m.Version(spec.network.protocol_version, 9, 0, nonce=int.from_bytes(os.urandom(8), "little"))
    greeting = pack(spec.network.magic, "version", m.encode(hello)) + pack(spec.network.magic, "verack", b"")
    while sent < messages:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            reading = asyncio.ensure_future(drain(reader))
            writer.write(greeting)
            while sent < messages and not reading.done():
                writer.write(headers(spec))
                await writer.drain()
                sent += 1
                if sent % 5 == 0:
                    print(sent * AT_ONCE, flush=True)
            reading.cancel()
        except OSError:
            await asyncio.sleep(0.05)


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


async def main() -> None:
    """`python -m tests.node.stake_flooder PORT CHAIN HEADERS CONNECTIONS`; prints how far each connection is."""
    port, chain, count, connections = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    each = -(-count // AT_ONCE // connections)
    await asyncio.gather(*(attack(port, chain, each) for _ in range(connections)))
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
