"""The table of messages: how a class enters it, and what all messages have in common.

It refuses to define a message; `messages.py` is the complete table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from primitives.buffer import Reader, Writer
from primitives.chain import Format
from primitives.errors import DecodeError


class TooMany(DecodeError):
    """A list above the protocol's own limit: no honest peer sends it."""


class Message(Protocol):
    """What all messages have in common. `read` is a class method `(Reader, Format) -> Self`."""

    def write(self, w: Writer) -> object: ...


M = TypeVar("M", bound=Message)
TABLE: dict[str, Callable[[Reader, Format], Message]] = {}
COMMANDS: dict[type[Any], str] = {}


def message(command: str) -> Callable[[type[M]], type[M]]:
    """Enter a class into the table. Raises ValueError for a command that is taken."""

    def register(cls: type[M]) -> type[M]:
        if command in TABLE:
            raise ValueError(f"message {command} is defined twice")
        TABLE[command] = cls.read  # type: ignore[attr-defined]
        COMMANDS[cls] = command
        return cls

    return register


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message that this node has no use for; it is not an error."""

    command: str
    payload: bytes

    def write(self, w: Writer) -> None:
        w.bytes(self.payload)


def command_of(m: Message) -> str:
    """The command under which a message travels."""
    return m.command if isinstance(m, Unknown) else COMMANDS[type(m)]


def command_of_class(cls: type[Any]) -> str:
    """The command that a class of messages was entered under."""
    return COMMANDS[cls]


def encode(m: Message) -> bytes:
    """The payload of a message."""
    w = Writer()
    m.write(w)
    return w.done()


def count(r: Reader, least_bytes: int, most: int, what: str) -> int:
    """A CompactSize count, checked against the protocol's limit and what is left. Raises TooMany or DecodeError."""
    n = r.compact()
    if n > most:
        raise TooMany(f"{n} {what}, {most} allowed")
    if n * least_bytes > r.left:
        raise DecodeError(f"{n} {what} announced, {r.left} bytes left")
    return n
