"""The daemon: one process with a node, its peers, wallets and server. It starts them in order, says where they are, stops them in order."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from node import log as logs
from node.banner import report
from node.client import COOKIE_FILE, RUN_FILE
from node.config import Config
from node.control_service import ControlService, start_second
from node.controls import ANYONE, Controls
from node.env import Apart, RealEnv
from node.halves import Halves, halves_of
from node.node import Node
from node.opening import START, USAGE, Opened, StartError, bind_error, equipped, explained, indexes_of, opened
from node.peering import Peering
from node.pool_file import read_pool, write_pool
from node.producer import Purse
from node.progress import Progress
from node.rpc.auth import Credentials, parse_rpcauth, write_cookie
from node.rpc.catalogue import bitcoin_dispatcher, given
from node.rpc.dispatch import Call, Provider
from node.rpc.errors import RpcError
from node.rpc.fee_estimates import estimator
from node.rpc.params import is_hex
from node.rpc.server import BitcoinServer, loopback
from node.signature_cache import BoundedCache
from node.verify import verify_tail
from node.wallets import Wallets
from primitives import native
from primitives.address import decode as decode_address
from primitives.errors import DecodeError, SystemFault

if TYPE_CHECKING:
    from node.ethereum_service import EthereumService

log = logging.getLogger("chainyard.node")
calls = logging.getLogger("chainyard.rpc")

INTERRUPTED, MACHINE = 130, 6


Announce = Callable[[dict[str, Any]], None]
"""Told once where everything is (node/banner.py: report)."""


def run_node(config: Config, announce: Announce, dev: bool = False) -> int:
    """Run until stopped; returns the exit code. Raises StartError."""
    try:
        logs.start(
            config.log_level,
            config.log,
            config.log_format,
            config.chain_folder / config.log_file if config.log_file and not config.ephemeral else None,
        )
    except logs.LogError as e:
        raise StartError(str(e), USAGE) from e
    except OSError as e:
        raise StartError(f"{e.filename}: {e.strerror or e}", START, "choose another --datadir") from e
    native.announce()
    os.umask(0o077)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with opened(config) as found:
            return asyncio.run(_run(config, found, announce, dev))
    finally:
        logs.stop()


class Daemon:
    """The parts of one running process; what the control methods ask for."""

    def __init__(
        self, config: Config, found: Opened, env: RealEnv, halves: Halves, peering: Peering, wallets: Wallets
    ) -> None:
        self.config = config
        self.env = env
        self.node = halves.coins.whole
        self.halves = halves
        self.peering = peering
        self.wallets = wallets
        self.directory = None if found.directory is None else found.directory.path
        self.server: BitcoinServer | None = None
        self.accounts: EthereumService | None = None

    @property
    def log_path(self) -> Path | None:
        """Where the log is written."""
        return self.directory / self.config.log_file if self.directory is not None and self.config.log_file else None

    @property
    def data_directory(self) -> Path | None:
        """Where files may be written."""
        return self.directory

    def stop(self) -> None:
        """End the process in order."""
        asyncio.get_running_loop().call_soon(self.node.stop)


def _credentials(config: Config, env: RealEnv, directory: Path | None) -> tuple[Credentials, ...]:
    known = []
    if config.rpc_user or config.rpc_password:
        if not (config.rpc_user and config.rpc_password):
            raise StartError("rpc_user and rpc_password go together", USAGE)
        known.append(Credentials(config.rpc_user, config.rpc_password))
    try:
        known += [parse_rpcauth(line) for line in config.rpc_auth]
    except ValueError as e:
        raise StartError(str(e), USAGE) from e
    if not known and not loopback(config.rpc_host):
        raise StartError(
            f"the RPC would listen on {config.rpc_host} without a password",
            USAGE,
            "set rpc_user and rpc_password, or rpc_auth",
        )
    if directory is not None:
        known.append(write_cookie(env, directory / COOKIE_FILE))
    return tuple(known)


def _allowed(config: Config) -> Any:
    rules = dict(line.partition(":")[::2] for line in config.rpc_whitelist)
    lists = {user: set(methods.split(",")) for user, methods in rules.items()}
    return lambda user, method: user not in lists or method in lists[user]


async def _run(config: Config, found: Opened, announce: Announce, dev: bool) -> int:
    loop = asyncio.get_running_loop()
    env = RealEnv(seed=config.seed)
    threads = config.threads or os.cpu_count() or 1
    async with AsyncExitStack() as stack:
        stack.callback(env.close)
        if dev and config.seed is not None:
            env.freeze(start_second(config.seed))
        executor = ThreadPoolExecutor(threads, "scripts") if threads > 1 else None
        if executor is not None:
            stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        progress = Progress(env.monotonic, quiet=config.quiet)
        spec = equipped(found.spec, config, progress)
        with explained():
            node = await env.on_chain(
                lambda: Node(
                    spec,
                    env,
                    found.store,
                    indexes=indexes_of(config, spec),
                    cache=BoundedCache(),
                    executor=executor,
                    progress=progress,
                )
            )
            if (directory := found.directory) is not None:
                await env.on_chain(lambda: verify_tail(node.chain, level=3))
                taken, refused = await env.on_chain(lambda: read_pool(node, directory.path))
                if taken or refused:
                    log.info("mempool: %d transactions are back, %d are not", taken, refused)
        node.attach(loop)
        folder = found.directory.path if found.directory is not None else None
        halves = halves_of(node)
        wallets = Wallets(
            halves.coins,
            (folder or Path(stack.enter_context(_scratch()))) / "wallets",
            cast(Any, Apart(env, "wallets")),
        )
        peering = Peering(node, env, config, folder)
        daemon = Daemon(config, found, env, halves, peering, wallets)
        _on_signals(loop, node)
        await _load_wallets(daemon, progress)
        stack.callback(wallets.close)
        await _serve(daemon, stack, announce, dev)
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(node.keep_time()), tasks.create_task(peering.run())]
            if config.ethash_dataset:
                work.append(tasks.create_task(node.keep_prepared()))
            if config.mine:
                halves.coins.mine(Purse(_payee(daemon), threads))
            gc.freeze()
            await node.stopping.wait()
            node.stop_mining()
            for task in work:
                task.cancel()
    if found.directory is not None and node.fault is None:
        write_pool(node, found.directory.path)
    if node.fault is not None:
        raise StartError(str(node.fault), MACHINE)
    return 0


async def _serve(daemon: Daemon, stack: AsyncExitStack, announce: Announce, dev: bool) -> None:
    """Open the ports, write the run file, and say where everything is."""
    config, env, node = daemon.config, daemon.env, daemon.node
    network = node.spec.network
    if config.listen:
        port = network.p2p_port if config.port is None else config.port
        if config.port is None and dev:
            port = 0
        try:
            await daemon.peering.listen(config.host, port)
        except OSError as e:
            raise bind_error(e, "peers", config.host, port) from e
    credentials = _credentials(config, env, daemon.directory)
    if dev and not credentials:
        credentials = (Credentials("dev", "dev"),)
    families = tuple(f for f in node.spec.rpc if f != "ethereum")
    coins = daemon.halves.coins
    if hasattr(coins.spec.ledger, "rules"):
        daemon.wallets.source.estimate = estimator(coins)
    more: dict[Any, Provider] = {Wallets: given(daemon.wallets)}
    if "peercoin" in families:
        from node.staking import Staking  # loads the rules of stake, for their chains alone

        more[Staking] = given(Staking(coins, daemon.wallets))
    local = _controls(daemon, stack, dev)
    if "twin" in families and daemon.accounts is not None:
        from node.rpc.twin_methods import Accounts  # slow to load

        more[Accounts] = given(Accounts(daemon.halves.accounts, daemon.accounts.dev))
    if local is not None:
        more[ControlService] = given(local)
        families += ("local", "local-account") if local.dev is not None else ("local",)
    dispatcher = bitcoin_dispatcher(coins, daemon.peering, daemon, more, families, _allowed(config))
    dispatcher.on_call = told = log_call(logging.INFO if sys.stderr.isatty() and not config.quiet else logging.DEBUG)
    server = BitcoinServer(env, dispatcher, credentials)
    port = network.bitcoin_rpc_port if config.bitcoin_rpc_port is None else config.bitcoin_rpc_port
    if dev and "bitcoin" not in node.spec.rpc and config.bitcoin_rpc_port is None:
        port = 0  # accounts are what it is about: the control port takes what is free
    try:
        await server.start(config.rpc_host, port)
    except OSError as e:
        raise bind_error(e, "RPC", config.rpc_host, port) from e
    stack.push_async_callback(server.stop)
    daemon.server = server
    if daemon.accounts is not None:
        daemon.accounts.dispatcher.on_call = told
        await _serve_accounts(daemon, daemon.accounts, stack)
        if local is not None:
            local.ethereum_rpc = f"http://{config.rpc_host}:{daemon.accounts.port}"
    if local is not None:
        await _begin(local, config, dev)
    state = report(daemon.node, config, daemon.peering.port, server.port, daemon.directory, credentials)
    if daemon.accounts is not None:
        state |= daemon.accounts.report()
    if local is not None:
        state |= local.report()
    if daemon.directory is not None:
        run = {
            "pid": os.getpid(),
            "rpc_host": config.rpc_host,
            "bitcoin_rpc_port": server.port,
            "port": daemon.peering.port,
        }
        if daemon.accounts is not None:
            run["ethereum_rpc_port"] = daemon.accounts.port
        env.disk.write(daemon.directory / RUN_FILE, json.dumps(run).encode())
        for name in (RUN_FILE, COOKIE_FILE):
            stack.callback(env.disk.remove, daemon.directory / name)
    announce(state)
    log.info("%s at height %d, tip %s", node.spec.name, node.chain.tip.height, node.chain.tip.hash[::-1].hex())


def log_call(level: int) -> Callable[[Call, str, float, RpcError | None], None]:
    """Logs each call: the method, never its parameters, which may hold a key."""

    def write(call: Call, method: str, seconds: float, error: RpcError | None) -> None:
        if calls.isEnabledFor(level):
            where = f" of wallet {call.wallet}" if call.wallet else ""
            what = f", error {error.code}" if error is not None else ""
            calls.log(level, "%s%s %.1f ms%s", method[:60], where, seconds * 1000, what)

    return write


def _controls(daemon: Daemon, stack: AsyncExitStack, dev: bool) -> ControlService | None:
    """The account side, where there is one, and the controls of a local chain."""
    node, config = daemon.node, daemon.config
    controls = Controls(node, daemon.directory)
    if "ethereum" in node.spec.rpc:
        from node.ethereum_service import EthereumService  # slow to load

        daemon.accounts = EthereumService(daemon.halves.accounts, daemon.peering, daemon, config, dev, controls)
    if not node.spec.network.local:
        return None
    local = ControlService(controls, daemon.wallets, None if daemon.accounts is None else daemon.accounts.dev)
    stack.callback(local.close)
    return local


async def _begin(local: ControlService, config: Config, dev: bool) -> None:
    """Money for the first accounts, and mining by itself, as the configuration wants it."""
    if dev:
        await local.node.on_chain(partial(local.fund, config.accounts))
    if config.automine is not None or config.block_time:
        local.set_automine(bool(config.automine))
    local.set_interval(config.block_time)


async def _serve_accounts(daemon: Daemon, service: EthereumService, stack: AsyncExitStack) -> None:
    """Open the Ethereum-style port. Raises StartError."""
    config = daemon.config
    try:
        await service.start()
    except OSError as e:
        port = config.ethereum_rpc_port
        shown = daemon.node.spec.network.ethereum_rpc_port if port is None else port
        raise bind_error(e, "Ethereum RPC", config.rpc_host, shown) from e
    except ValueError as e:
        raise StartError(str(e), USAGE, "name who may call: --ethereum-rpc-hosts NAME, or * for all") from e
    stack.push_async_callback(service.stop)


async def _load_wallets(daemon: Daemon, progress: Progress) -> None:
    """Load those that are remembered and those that the configuration names."""
    wallets = daemon.wallets
    names = dict.fromkeys([*wallets.remembered(), *daemon.config.wallets])
    for name in names:
        try:
            await daemon.env.on_worker(partial(wallets.load, name, partial(progress, f"scanning {name or 'wallet'}")))
        except SystemFault:
            raise
        except Exception as e:
            if name in daemon.config.wallets:
                raise StartError(f"wallet {name!r} cannot be loaded: {e}", START) from e
            log.warning("wallet %r is not loaded: %s", name, e)


def _payee(daemon: Daemon) -> bytes:
    """The script, or the account, that mined blocks pay."""
    if "bitcoin" not in daemon.node.spec.rpc and daemon.accounts is not None:
        return _miner(daemon.config.mine_to, daemon.accounts)
    if daemon.config.mine_to:
        try:
            return decode_address(daemon.config.mine_to, daemon.node.spec.addresses)
        except DecodeError as e:
            raise StartError(f"mine_to: {e}", USAGE) from e
    for wallet in daemon.wallets.loaded.values():
        return decode_address(wallet.new_address("mining"), daemon.node.spec.addresses)
    return ANYONE


def _miner(text: str, accounts: EthereumService) -> bytes:
    if not text:
        return next(iter(accounts.dev.keys), bytes(20))
    digits = text.removeprefix("0x")
    if len(digits) != 40 or not is_hex(digits):
        raise StartError(f"mine_to: {text} is not the address of an account", USAGE)
    return bytes.fromhex(digits)


def _on_signals(loop: asyncio.AbstractEventLoop, node: Node) -> None:
    """Once: stop in order. Twice: stop now."""

    def stop() -> None:
        if node.stopping.is_set():
            os._exit(INTERRUPTED)
        log.info("stopping")
        node.stop()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)


@contextmanager
def _scratch() -> Iterator[str]:
    """A folder for the wallets of a chain in memory, gone at the end."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="chainyard-") as folder:
        yield folder
