"""Keeps a wallet's history in step with the active chain: blocks as they come and go, and long scans with progress.

Whatever way the wallet came to a tip, its history is the same. Refuses to know what the wallet does with it.
"""

from primitives.bitcoin import Transaction
from wallet.api import BlockLike, ChainSource, HeaderLike, Point, Progress
from wallet.errors import BAD_PARAMETER, WalletError
from wallet.history import NOWHERE, Record
from wallet.state import WalletState

PROGRESS_EVERY = 100


class Scanner:
    """Feeds a wallet from a chain."""

    def __init__(self, state: WalletState, chain: ChainSource) -> None:
        self._state = state
        self._chain = chain
        self.target: int | None = None  # the height that a scan is on its way to
        self.reached = 0
        self.began = 0.0  # when it set out, on the monotonic clock
        self._stop = False

    # Events of a node in the same process.

    def on_block_connected(self, block: BlockLike, height: int) -> list[Record]:
        """A block became the tip. One that does not follow what the wallet knows makes it catch up."""
        state = self._state
        with state.guard:
            tip = state.history.tip
            if self.target is not None:
                return []  # the scan under way will come to it
            if block.header.parent == tip.hash and height == tip.height + 1:
                touched = self._connect(block, height)
                state.checkpoint(due_only=True)
                return touched
            if tip == (height, block.header.hash):
                return []
        self.catch_up()
        return []

    def on_block_disconnected(self, header: HeaderLike, height: int) -> list[Record]:
        """The tip, whose header this is, was taken back."""
        with self._state.guard:
            if self._state.history.tip != (height, header.hash):
                return []
            touched = self._state.history.disconnect(Point(height - 1, header.parent))
            self._state.observe(())
            return touched

    def on_mempool_added(self, tx: Transaction) -> Record | None:
        """A transaction entered the mempool."""
        state = self._state
        with state.guard:
            while True:
                record = state.history.see(tx, state.env.now(), pooled=True)
                if record is None or not state.observe((record,)):
                    return record

    def on_mempool_removed(self, tx: Transaction) -> Record | None:
        """A transaction left the mempool, into a block or for another reason."""
        with self._state.guard:
            return self._state.history.leave_pool(tx.id)

    # Scans.

    def _connect(self, block: BlockLike, height: int) -> list[Record]:
        state = self._state
        while True:  # until no address used in this block widens what is watched
            touched = state.history.connect(block, height, state.env.now())
            if not state.observe(touched):
                return touched

    def _fork(self) -> Point:
        """The last block that the wallet and the active chain have in common, as far as the wallet remembers."""
        recent = self._state.history.recent
        for height in sorted(recent, reverse=True):
            if self._chain.hash_at(height) == recent[height]:
                return Point(height, recent[height])
        return NOWHERE

    def start_at_tip(self) -> None:
        """A new wallet has nothing to look for in blocks that are older than its keys."""
        tip = self._chain.tip()
        history = self._state.history
        for height in range(max(0, tip.height - 100), tip.height + 1):
            block_hash = self._chain.hash_at(height)
            if block_hash is not None:
                history.recent[height] = block_hash
        history.tip = tip

    def catch_up(self, progress: Progress | None = None, until: int | None = None) -> int:
        """Look at all blocks up to the tip, or a height; the height reached. Leaves another branch by itself."""
        state, chain = self._state, self._chain
        first = None
        while not self._stop:
            tip, here = chain.tip(), state.history.tip
            if here.height >= 0 and chain.hash_at(here.height) != here.hash:
                with state.guard:
                    state.history.rewind(self._fork())
                    state.observe(())
                continue
            goal = tip.height if until is None else min(until, tip.height)
            if here.height >= goal:
                break
            first = here.height if first is None else first
            block = chain.block_at(here.height + 1)
            if block is None or (here.height >= 0 and block.header.parent != here.hash):
                continue  # the chain moved meanwhile
            with state.guard:
                if state.history.tip == here:
                    self._connect(block, here.height + 1)
            if progress is not None and ((here.height + 1) % PROGRESS_EVERY == 0 or here.height + 1 == goal):
                progress(here.height + 1, goal)
            self.reached = here.height + 1
        return state.history.tip.height

    def sync_pool(self) -> None:
        """Bring what is known of the mempool up to date."""
        state = self._state
        pooled = list(self._chain.pooled())
        ids = {tx.id for tx in pooled}
        with state.guard:
            for record in list(state.history.records.values()):
                if record.pooled and record.tx.id not in ids:
                    state.history.leave_pool(record.tx.id)
        for tx in pooled:
            self.on_mempool_added(tx)

    def rescan(self, start: int = 0, progress: Progress | None = None) -> tuple[int, int]:
        """Look at the chain again from a height, forgetting what was mined at or above it; the heights looked at.

        A scan that is interrupted goes on when the wallet is loaded again. Raises WalletError("bad-parameter").
        """
        state, chain = self._state, self._chain
        tip = chain.tip()
        if not 0 <= start <= tip.height:
            raise WalletError(BAD_PARAMETER, f"cannot scan from height {start} of a chain of height {tip.height}")
        before = chain.hash_at(start - 1) if start else None
        point = Point(start - 1, before) if before is not None else NOWHERE
        with state.guard:
            if self.target is not None:
                raise WalletError(BAD_PARAMETER, "a scan is under way already")
            self.target, self._stop = tip.height, False
            self.began = state.env.monotonic()
            state.keys.scan_from = start
            state.save()
            state.history.rewind(point)
            state.history.adopt()
            if point.height >= 0:
                state.history.recent.setdefault(point.height, point.hash)
        try:
            self._refill(point)
            reached = self.catch_up(progress)
            stopped = self._stop
        finally:
            self.target, self._stop = None, False
        if not stopped:
            self.catch_up()  # blocks that came while the scan was ending
            with state.guard:
                state.keys.scan_from = None
                state.checkpoint()
                state.save()
            self.sync_pool()
        return start, reached

    def _refill(self, point: Point) -> None:
        """Hashes below a point, to find the way back from a reorganisation soon after a scan."""
        recent = self._state.history.recent
        for height in range(max(0, point.height - 100), point.height + 1):
            block_hash = self._chain.hash_at(height)
            if block_hash is not None:
                recent.setdefault(height, block_hash)

    def stop(self) -> bool:
        """Stop a scan that is under way; whether there was one."""
        under_way = self.target is not None
        self._stop = under_way
        return under_way

    def resume(self, progress: Progress | None = None) -> None:
        """After a start: go on with a scan that was interrupted, or look at what happened since."""
        if self._state.keys.scan_from is not None:
            self.rescan(min(self._state.keys.scan_from, max(self._chain.tip().height, 0)), progress)
        else:
            self.catch_up(progress)
            self.sync_pool()
