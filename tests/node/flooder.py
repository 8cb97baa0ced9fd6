"""Attackers for test_floods.py: a process of its own that opens connections and sends as fast as the socket takes it."""

from __future__ import annotations

import asyncio
import os
import sys

from p2p import messages as m
from p2p.framing import pack

MAGIC = b"\xfa\xbf\xb5\xda"


def junk() -> bytes:
    return pack(MAGIC, "junk", bytes(3_999_000))


def invs() -> bytes:
    items = tuple((m.MSG_WTX, os.urandom(32)) for _ in range(50_000))
    return pack(MAGIC, "inv", m.encode(m.Inv(items)))


def pings() -> bytes:
    return pack(MAGIC, "ping", bytes(8)) * 2_000


def requests() -> bytes:
    return pack(MAGIC, "getdata", m.encode(m.GetData(((m.MSG_WITNESS_BLOCK, bytes.fromhex(sys.argv[2])),) * 1_000)))


def addresses() -> bytes:
    body = b"".join(bytes(4) + bytes(8) + bytes(10) + b"\xff\xff" + os.urandom(4) + b"\x20\x8d" for _ in range(1000))
    return pack(MAGIC, "addr", b"\xfd\xe8\x03" + body)


def questions() -> bytes:
    return pack(MAGIC, "getheaders", m.encode(m.GetHeaders(70016, (bytes(32),) * 101))) * 50


KINDS = (junk, invs, pings, requests, addresses, questions)


async def attack(port: int, kind: int) -> None:
    """Flood until cut off, then come again."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            hello = pack(MAGIC, "version", m.encode(m.Version(70016, 9, 0, nonce=kind))) + pack(MAGIC, "verack", b"")
            writer.write(hello)
            reading = kind != KINDS.index(requests)
            while True:
                writer.write(KINDS[kind]())
                await writer.drain()
                if reading:
                    try:
                        async with asyncio.timeout(0.001):
                            while await reader.read(1 << 20):
                                pass
                    except TimeoutError:
                        pass
        except OSError:
            await asyncio.sleep(0.05)


async def main() -> None:
    """`python -m tests.node.flooder PORT BLOCK SECONDS CONNECTIONS`."""
    port, seconds, count = int(sys.argv[1]), float(sys.argv[3]), int(sys.argv[4])
    tasks = [asyncio.ensure_future(attack(port, n % len(KINDS))) for n in range(count)]
    print("attacking", flush=True)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
