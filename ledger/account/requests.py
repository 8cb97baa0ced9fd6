"""Requests of the execution side to consensus: deposits from logs, others from contracts, and their hash (EIP-7685, 6110).

Knows no block; contracts are asked in block.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from primitives.errors import InvalidBlock
from primitives.ethereum import Log

DEPOSIT_TYPE: Final = 0
DEPOSIT_TOPIC: Final = bytes.fromhex("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")
EXIT_TYPE: Final = 0xF0
"""The request of a twin chain's exits: far from those that Ethereum numbers from 0 on."""
EXITS: Final = b"twin" + bytes(12) + b"exit"
"""The contract that is asked for them: on a twin chain `AccountRules.requests` ends with these two (docs/twin.md)."""
_FIELDS: Final = ((160, 48), (256, 32), (320, 8), (384, 96), (512, 8))
"""Offset and size of public key, withdrawal credentials, amount, signature and index in the event's data."""
_SIZE: Final = 576


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 32], "big")


def deposit_of(data: bytes) -> bytes:
    """The request in a deposit event's data. Raises InvalidBlock("unable to parse deposit data") for another layout (EIP-6110)."""
    if len(data) != _SIZE:
        raise InvalidBlock("unable to parse deposit data", f"deposit wrong length: want {_SIZE}, have {len(data)}")
    for i, (offset, size) in enumerate(_FIELDS):
        if _word(data, 32 * i) != offset or _word(data, offset) != size:
            raise InvalidBlock("unable to parse deposit data", f"field {i}")
    return b"".join(data[offset + 32 : offset + 32 + size] for offset, size in _FIELDS)


def deposits_of(logs: Iterable[Log], contract: bytes) -> bytes:
    """All deposit requests of a block's logs, joined."""
    return b"".join(
        deposit_of(log.data)
        for log in logs
        if log.address == contract and log.topics and log.topics[0] == DEPOSIT_TOPIC
    )


def requests_hash(requests: Sequence[tuple[int, bytes]]) -> bytes:
    """What a header holds of its block's requests; empty ones do not count (EIP-7685)."""
    inner = b"".join(sha256(bytes((kind,)) + data).digest() for kind, data in requests if data)
    return sha256(inner).digest()
