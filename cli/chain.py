"""`chainyard chain export|import|verify|migrate|reindex|dataset`: the blocks of a chain folder that no node uses, and what mines them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli.output import START, USAGE, VALIDATION, CliError, emit, json_option


def _options(command: Any) -> Any:
    options = (
        click.option("--chain", default=None, help="Name of a chain, or a .toml file that describes one."),
        click.option("--datadir", type=click.Path(path_type=Path), default=None, help="The node's data directory."),
    )
    for option in reversed(options):
        command = option(command)
    return json_option(command)


@click.group()
def chain() -> None:
    """Blocks of a chain folder: to a file, from a file, checked, rebuilt. No node may run on it."""


def _config(chain: str | None, datadir: Path | None, **more: Any) -> Any:
    from node.config import ConfigError, load

    try:
        return load({"chain": chain, "datadir": datadir, **more}, os.environ, Path.cwd())
    except ConfigError as e:
        raise CliError(str(e), USAGE) from e


@contextmanager
def _errors() -> Iterator[None]:
    """One line and an exit code for what can go wrong with a folder."""
    from node.data_directory import DirectoryTaken
    from node.opening import StartError, explained

    try:
        with explained():
            try:
                yield
            except DirectoryTaken as e:
                raise StartError(str(e)) from e
    except StartError as e:
        raise CliError(str(e), e.exit_code, e.hint) from e
    except OSError as e:
        raise CliError(f"{e.filename}: {e.strerror}" if e.filename else str(e), START) from e


@contextmanager
def _logged() -> Iterator[Any]:
    """Long work shows a bar on a terminal, else lines."""
    from node import log as logs
    from node.progress import Progress
    from primitives import native

    logs.start("info", (), "text", None)
    native.announce()
    try:
        yield Progress(time.monotonic)
    finally:
        logs.stop()


@contextmanager
def _aid() -> Iterator[Any]:
    """All cores for scripts."""
    from ledger.api import Aid
    from node.signature_cache import BoundedCache

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads, "scripts") as executor:
        yield Aid(BoundedCache(), executor if threads > 1 else None)


def _existing(config: Any) -> None:
    if not (config.chain_folder / "chain").is_dir():
        raise CliError(f"there is no chain in {config.chain_folder}", START, "name it with --datadir and --chain")


# -- files -----------------------------------------------------------------------------------------------------------


@chain.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from-height", type=click.IntRange(0), default=0, show_default=True)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@_options
def export(file: Path, from_height: int, force: bool, chain: str | None, datadir: Path | None) -> None:
    """Write the blocks to FILE (bootstrap.dat; compressed where it ends with .xz)."""
    from node.bootstrap import write_blocks
    from node.chain import Chain
    from node.opening import opened

    if file.exists() and not force:
        raise CliError(f"{file} exists", USAGE, "--force replaces it")
    config = _config(chain, datadir)
    _existing(config)
    with _errors(), _logged() as progress, opened(config) as found, Chain(found.spec, found.store).view() as view:
        count = write_blocks(
            view, found.spec.ledger.format, found.spec.network.magic, file, from_height, _part(progress, "export")
        )
        result = {"file": str(file), "blocks": count, "height": view.tip.height, "bytes": file.stat().st_size}
    emit(result, lambda r: f"{r['blocks']} blocks, {r['bytes']} bytes in {r['file']}")


def _part(progress: Any, what: str) -> Any:
    return lambda done, of: progress(what, done, of)


@chain.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options
def import_(file: Path, chain: str | None, datadir: Path | None) -> None:
    """Take in the blocks of FILE (bootstrap.dat, as it is or compressed by xz)."""
    from node.bootstrap import BadFile, in_order, read_blocks, until_fault
    from node.chain import Chain
    from node.opening import indexes_of, opened
    from primitives.errors import ChainError
    from storage.durability import Durability

    config = _config(chain, datadir)
    began, before = time.monotonic(), 0
    with _errors(), _logged() as progress, _aid() as aid, opened(config, Durability.BATCH) as found:
        spec = found.spec
        into = Chain(
            spec, found.store, aid, monotonic=time.monotonic, indexes=indexes_of(config, spec), progress=progress
        )
        before = into.tip.height
        blocks = read_blocks(file, spec.ledger.format, spec.network.magic, _part(progress, "import (bytes)"))
        faults: list[BadFile] = []
        try:
            into.extend(
                in_order(until_fault(blocks, faults), lambda key: into.entry(key) is not None), int(time.time())
            )
        except ChainError as e:
            if not faults:
                why = f"a block of {file} was refused above height {into.tip.height}: {e}"
                raise CliError(why, VALIDATION) from e
        if faults:
            raise CliError(f"{faults[0]} (the chain is at height {into.tip.height})", VALIDATION)
        tip = into.tip
    seconds = time.monotonic() - began
    result = {
        "height": tip.height,
        "tip": tip.hash[::-1].hex(),
        "blocks": tip.height - before,
        "seconds": round(seconds, 3),
    }
    emit(result, lambda r: f"height {r['height']}, tip {r['tip']}: {r['blocks']} blocks in {seconds:.1f} s")


# -- checks ----------------------------------------------------------------------------------------------------------


@chain.command("verify")
@_options
def verify(chain: str | None, datadir: Path | None) -> None:
    """Execute all blocks again from genesis, in memory, and compare the result with what is stored; exit code 4 where it differs."""
    from node.opening import opened
    from node.verification import verify as check

    config = _config(chain, datadir)
    _existing(config)
    with _errors(), _logged() as progress, _aid() as aid, opened(config) as found:
        verdict = check(found.store, found.spec, aid, progress)
    result = {
        "height": verdict.height,
        "tip": verdict.tip[::-1].hex(),
        "coins": verdict.coins,
        "differences": list(verdict.differences),
    }
    if verdict.differences:
        more = f" (and {len(verdict.differences) - 1} more)" if len(verdict.differences) > 1 else ""
        why = f"the stored chain is not what its blocks make: {verdict.differences[0]}{more}"
        raise CliError(why, VALIDATION, "`chainyard chain reindex` rebuilds it from its blocks", data=result)
    emit(result, lambda r: f"height {r['height']}, tip {r['tip']}, {r['coins']} coins: all as the blocks make it")


@chain.command("migrate")
@_options
def migrate(chain: str | None, datadir: Path | None) -> None:
    """Bring the data of an older version up to date, or mend what a power cut left: a rebuild from the stored blocks."""
    _rebuild(_config(chain, datadir), only_where_needed=True)


@chain.command("reindex")
@_options
def reindex(chain: str | None, datadir: Path | None) -> None:
    """Rebuild state and indices from the stored blocks."""
    _rebuild(_config(chain, datadir), only_where_needed=False)


def _rebuild(config: Any, only_where_needed: bool) -> None:
    from node.data_directory import DataDirectory
    from node.opening import find_spec, indexes_of
    from node.rebuild import rebuild

    _existing(config)
    with _errors(), _logged() as progress, _aid() as aid, DataDirectory(config.chain_folder) as directory:
        spec = find_spec(config)
        if only_where_needed and not _outdated(directory, spec):
            emit({"rebuilt": False}, lambda _: "the data are up to date: nothing to do")
            return
        height = rebuild(directory, spec, indexes_of(config, spec), aid, progress)
    emit({"rebuilt": True, "height": height}, lambda r: f"rebuilt up to height {r['height']}")


def _outdated(directory: Any, spec: Any) -> bool:
    """Whether the store is an older version's, or was written unsynced before a power cut. Raises ForeignData, NewerData."""
    from node.data_directory import Spoilt
    from node.identity import OlderData, check_identity

    try:
        with directory.store() as store, store.view() as kv:
            check_identity(kv, spec.genesis.header.hash, spec.name)
    except (OlderData, Spoilt):
        return True
    return False


# -- mining ----------------------------------------------------------------------------------------------------------


@chain.command("dataset")
@click.option("--height", type=click.IntRange(0), default=0, show_default=True, help="Of a block to be mined.")
@click.option("--threads", type=click.IntRange(0), default=None, help="0: all cores.")
@_options
def dataset(height: int, threads: int | None, chain: str | None, datadir: Path | None) -> None:
    """Make Ethash's full dataset for the epoch of a height, into the chain's folder; one that is there is checked. A node may run."""
    from node.opening import equipped, find_spec

    config = _config(chain, datadir, ethash_dataset=True, ephemeral=False, threads=threads)
    began = time.monotonic()
    with _errors(), _logged() as progress:
        spec = equipped(find_spec(config), config, progress)
        prepare: Any = getattr(spec.engine, "prepare", lambda *_: {})
        found: dict[Path, bool] = prepare(height, lambda: False)
    if not found:
        raise CliError(f"there is no dataset for height {height} of {spec.name}", START)
    seconds = round(time.monotonic() - began, 3)
    files = [{"file": str(p), "bytes": p.stat().st_size, "made": made} for p, made in found.items()]
    emit({"datasets": files, "seconds": seconds}, lambda r: "\n".join(_dataset(f, seconds) for f in r["datasets"]))


def _dataset(file: dict[str, Any], seconds: float) -> str:
    return f"{file['file']}: {file['bytes']} bytes, " + (f"made in {seconds:.1f} s" if file["made"] else "checked")
