"""Blocks in a file, as bootstrap.dat has them: magic, u32 length, block, one after the other; compressed by xz where the file says so.

It reads and writes files that the user names; it judges no block.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from node.view import ChainView
from primitives.buffer import Reader, Writer
from primitives.chain import Form, Format
from primitives.errors import DecodeError, SystemFault

XZ = b"\xfd7zXZ\x00"
LONGEST = 64_000_000
"""Bytes that one block of any family may have."""
MOST_WAITING = 4_096
"""Blocks that are held because their parents come later in the file."""

Progress = Callable[[int, int], None]
"""Bytes read of bytes in all (0: nobody knows), or blocks written of blocks in all."""


class BadFile(DecodeError):
    """The file is not what bootstrap files are, or is cut off."""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The plain contents to read, and the file below, whose position tells how far that is."""
    with open(path, "rb") as raw:
        if raw.peek(len(XZ)).startswith(XZ):
            with lzma.open(raw) as plain:
                yield plain, raw
        else:
            yield raw, raw


def read_blocks(path: Path, fmt: Format, magic: bytes, progress: Progress = lambda _done, _of: None) -> Iterator[Any]:
    """The blocks of a file. Raises BadFile with the place that is wrong, OSError."""
    size = os.path.getsize(path)
    count = 0
    with _opened(path) as (plain, raw):
        try:
            while head := plain.read(8):
                where = f"block {count + 1} of {path}"
                if head[:4] != magic:
                    why = "begins with another network's magic" if len(head) == 8 else "is cut off"
                    raise BadFile(f"{where} {why}: {head[:4].hex()} instead of {magic.hex()}")
                length = int.from_bytes(head[4:], "little")
                if len(head) < 8 or not 80 <= length <= LONGEST:
                    raise BadFile(f"{where} has no sensible length")
                body = plain.read(length)
                if len(body) < length:
                    raise BadFile(f"{where} is cut off: {len(body)} of {length} bytes")
                try:
                    r = Reader(body)
                    block = fmt.read_block(r, Form.STORE)
                    r.finish()
                except DecodeError as e:
                    raise BadFile(f"{where} cannot be read: {e}") from e
                count += 1
                yield block
                progress(raw.tell(), size)
        except (lzma.LZMAError, EOFError) as e:
            raise BadFile(f"{path} is damaged after {count} blocks: {e}") from e


def until_fault(blocks: Iterator[Any], faults: list[BadFile]) -> Iterator[Any]:
    """The blocks up to where the file is bad; why goes into a list, so that what came before is kept."""
    try:
        yield from blocks
    except BadFile as e:
        faults.append(e)


def in_order(blocks: Iterator[Any], known: Callable[[bytes], bool]) -> Iterator[Any]:
    """Parents before their children, as far as they are apart in the file by less than a bound. `known`: whether a block is here."""
    seen: dict[bytes, None] = {}  # lately given, and perhaps not stored yet
    waiting: dict[bytes, list[Any]] = {}
    held = 0
    for block in blocks:
        parent = block.header.parent
        if parent not in seen and block.header.hash not in seen and not known(parent) and not known(block.header.hash):
            if held >= MOST_WAITING:
                yield block  # whose parent is missing: the chain will say so
                continue
            waiting.setdefault(parent, []).append(block)
            held += 1
            continue
        todo = [block]
        for one in todo:
            seen[one.header.hash] = None
            if len(seen) > MOST_WAITING:
                seen.pop(next(iter(seen)))
            yield one
            heirs = waiting.pop(one.header.hash, [])
            held -= len(heirs)
            todo += heirs
    for orphans in waiting.values():
        yield from orphans[:1]


def write_blocks(
    view: ChainView, fmt: Format, magic: bytes, path: Path, first: int, progress: Progress = lambda _done, _of: None
) -> int:
    """Write the connected chain from a height on; the number of blocks. The file appears when it is complete.

    Raises OSError, and SystemFault where a body is not here.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    last = view.tip.height
    try:
        with _created(draft, path.suffix == ".xz") as file:
            for height in range(first, last + 1):
                entry = view.at(height)
                block = None if entry is None else view.block(entry.hash)
                if block is None:
                    raise SystemFault(f"the block at height {height} is not stored")
                w = Writer()
                fmt.write_block(w, block, Form.STORE)
                raw = w.done()
                file.write(magic + len(raw).to_bytes(4, "little") + raw)
                progress(height - first + 1, last - first + 1)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return max(0, last - first + 1)


@contextmanager
def _created(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    with open(path, "xb") as raw:
        if compressed:
            with lzma.open(raw, "wb") as file:
                yield file
        else:
            yield raw
        raw.flush()
        os.fsync(raw.fileno())
