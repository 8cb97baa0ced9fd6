"""What the EVM takes and gives: the world it changes, messages, contexts, frames, fork records and halts.

It knows no trie, no transaction type and no block format; whoever calls `run` translates those into the records here.
"""

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from vm.evm.code import NO_CODE

Address = bytes  # 20 bytes


class World(Protocol):
    """The accounts during one transaction, with one journal for all that `revert` must take back.

    Balances, nonces, code, storage, transient storage, warm sets, logs, the refund counter, and the created, destroyed
    and touched marks all return to what they were at the snapshot. One exception: a touch of the RIPEMD-160 precompile
    (address 3) survives `revert` (mainnet block 2,675,119; EIP-161 as it was deployed).
    Words are `int` below 2**256; hashes and addresses are `bytes`. An absent account reads as zero balance, zero nonce,
    no code and zero storage. A write to an absent account makes it.
    """

    def exists(self, address: Address) -> bool:
        """Tell whether the account is in the state, be it empty."""

    def is_dead(self, address: Address) -> bool:
        """Tell whether the account is absent, or has no nonce, balance and code (EIP-161)."""

    def balance(self, address: Address) -> int: ...

    def set_balance(self, address: Address, value: int) -> None:
        """Set the balance, and touch the account."""

    def nonce(self, address: Address) -> int: ...

    def set_nonce(self, address: Address, value: int) -> None: ...

    def code(self, address: Address) -> bytes: ...

    def code_hash(self, address: Address) -> bytes:
        """Hash of the code; that of no bytes for an account without code, existing or not."""

    def set_code(self, address: Address, code: bytes) -> None: ...

    def storage(self, address: Address, slot: int) -> int: ...

    def set_storage(self, address: Address, slot: int, value: int) -> None: ...

    def original_storage(self, address: Address, slot: int) -> int:
        """Value that the slot had when this transaction began; zero where the account was created in it."""

    def has_storage(self, address: Address) -> bool:
        """Tell whether any slot is not zero (EIP-7610: such an address cannot be created)."""

    def transient(self, address: Address, slot: int) -> int:
        """Value of a slot that lives for this transaction only (EIP-1153)."""

    def set_transient(self, address: Address, slot: int, value: int) -> None: ...

    def touch(self, address: Address) -> None:
        """Mark an account that took part in a call; an absent one comes to exist, empty.

        From EIP-161 on the ledger removes touched empty accounts when the transaction ends.
        """

    def create_account(self, address: Address) -> None:
        """Begin a contract: keep the balance, drop all storage, and remember that this transaction created it."""

    def is_created(self, address: Address) -> bool:
        """Tell whether this transaction created the contract (EIP-6780)."""

    def destroy(self, address: Address) -> None:
        """Mark the account to be removed, with its storage, when the transaction ends."""

    def is_destroyed(self, address: Address) -> bool: ...

    def warm_address(self, address: Address) -> bool:
        """Warm the address and tell whether it was warm before (EIP-2929)."""

    def warm_slot(self, address: Address, slot: int) -> bool:
        """Warm the slot and tell whether it was warm before (EIP-2929)."""

    def add_log(self, address: Address, topics: tuple[bytes, ...], data: bytes) -> None: ...

    def add_refund(self, gas: int) -> None:
        """Change the refund counter by `gas`, which may be negative."""

    @property
    def refund(self) -> int:
        """The refund counter."""

    def snapshot(self) -> int: ...

    def revert(self, snapshot: int) -> None: ...


def _no_hash(number: int) -> bytes:
    return bytes(32)


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What code may learn of the block that it runs in."""

    coinbase: Address
    number: int
    timestamp: int
    gas_limit: int
    difficulty: int = 0
    randao: bytes = bytes(32)
    base_fee: int = 0
    blob_base_fee: int = 1
    chain_id: int = 1
    block_hash: Callable[[int], bytes] = _no_hash  # asked only for the 256 blocks before this one


@dataclass(frozen=True, slots=True)
class TxContext:
    """What code may learn of the transaction that it runs in."""

    origin: Address
    gas_price: int = 0
    blob_hashes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One call or creation.

    A creation has `is_create`, the init code as `data`, and `target` is the new contract's address (`contract_address`
    of vm/evm/addresses.py). The caller's nonce has been raised by then, and the transaction's addresses are warm.
    """

    caller: Address
    target: Address  # whose storage and balance are used
    gas: int
    value: int = 0
    data: bytes = b""
    is_create: bool = False
    code_address: Address | None = None  # whose code runs, if not the target's
    moves_value: bool = True  # false for DELEGATECALL, whose value is only seen
    is_static: bool = False
    depth: int = 0
    kind: int = 0xF1  # the opcode that made it; 0xF1 or 0xF0 at the top


@dataclass(frozen=True, slots=True)
class Result:
    """How a message ended. Logs, refunds and changes are in the world, unless `halt` took them back."""

    gas_left: int
    output: bytes  # returned or reverted-with data; the deployed code of a creation
    halt: "Halt | None" = None

    @property
    def success(self) -> bool:
        return self.halt is None


class Halt(Exception):
    """Why a frame ended without success; caught by the interpreter and never raised out of `run`. Texts are geth's."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text or type(self).text)

    text = "halted"


class Revert(Halt):
    """REVERT: state taken back, remaining gas and output kept."""

    text = "execution reverted"


class OutOfGas(Halt):
    text = "out of gas"


class StackUnderflow(Halt):
    text = "stack underflow"


class StackOverflow(Halt):
    text = "stack limit reached 1024 (1023)"


class InvalidOpcode(Halt):
    text = "invalid opcode"


class InvalidJump(Halt):
    text = "invalid jump destination"


class WriteProtection(Halt):
    text = "write protection"


class ReturnDataOutOfBounds(Halt):
    text = "return data out of bounds"


class AddressCollision(Halt):
    text = "contract address collision"


class CodeStorageOutOfGas(OutOfGas):
    text = "contract creation code storage out of gas"


class CodeTooLarge(Halt):
    text = "max code size exceeded"


class InitCodeTooLarge(Halt):
    text = "max initcode size exceeded"


class InvalidCode(Halt):
    text = "invalid code: must not begin with 0xef"


class PrecompileFailed(Halt):
    """A precompiled contract refused its input: all its gas is gone."""

    text = "precompile failed"


class CallDepth(Halt):
    text = "max call depth exceeded"


class InsufficientBalance(Halt):
    text = "insufficient balance for transfer"


class NonceOverflow(Halt):
    text = "nonce uint64 overflow"


class Cancelled(Exception):
    """The caller of `run` asked it to stop. No halt: it leaves `run`, and the world must be thrown away."""


class Frame:
    """A message while it runs. Mutable on purpose: it is the machine's registers."""

    __slots__ = (
        "address",
        "block",
        "book",
        "code",
        "data",
        "fork",
        "gas",
        "memory",
        "message",
        "output",
        "pc",
        "pending",
        "return_area",
        "return_data",
        "snapshot",
        "stack",
        "stop",
        "tracer",
        "tx",
        "world",
    )

    def __init__(
        self,
        message: Message,
        world: World,
        block: BlockContext,
        tx: TxContext,
        fork: "Fork",
        tracer: "Tracer | None" = None,
        stop: Sized = (),
    ) -> None:
        self.message = message
        self.world = world
        self.block = block
        self.tx = tx
        self.fork = fork
        self.tracer = tracer
        self.stop = stop  # not empty once the run is to be given up
        self.address = message.target
        self.gas = message.gas
        self.code = b""
        self.book = NO_CODE  # what is known of the code
        self.data = b""  # what CALLDATA instructions read: nothing in a creation
        self.pc = 0  # ENDED once the frame has ended
        self.stack: list[int] = []
        self.memory = bytearray()
        self.return_data = b""  # of the last call that this frame made
        self.return_area = (0, 0)  # where that call's output goes: offset, size
        self.output = b""  # set by RETURN and REVERT
        self.pending: Message | None = None  # the call that this frame waits for
        self.snapshot = 0

    def charge(self, gas: int) -> None:
        """Take gas from the frame. Raises OutOfGas."""
        self.gas -= gas
        if self.gas < 0:
            raise OutOfGas


class Tracer(Protocol):
    """Watches a run. Without one the interpreter takes a loop that has no hooks."""

    def enter(self, frame: Frame) -> None:
        """See a message before it changes anything; precompiles, and messages that fail at once, are seen too."""

    def step(self, frame: Frame, opcode: int) -> None:
        """See the frame before an instruction; pc, gas, stack and memory are those before it is charged."""

    def exit(self, frame: Frame, result: Result) -> None:
        """See how a frame ended."""


Operation = Callable[[Frame], bool | None]
"""Changes the frame; True means that the next instruction is not the one that follows: a jump, a call, an end."""

ENDED = -1


@dataclass(frozen=True, slots=True)
class Precompile:
    """A contract that the machine itself carries out. It is priced before it runs."""

    name: str
    price: Callable[[bytes], int]
    run: Callable[[bytes], bytes]  # raises PrecompileFailed


@dataclass(frozen=True, slots=True)
class Instruction:
    """An opcode's row in a fork's table: what is constant is checked before it runs."""

    name: str
    run: Operation
    gas: int  # the constant part
    pops: int
    pushes: int


@dataclass(frozen=True, slots=True)
class BlobSchedule:
    """How many blobs a block may and should carry (EIP-4844, EIP-7840, EIP-7892)."""

    target: int
    max: int
    base_fee_update_fraction: int


Row = tuple[Operation, int, int, int]
"""An instruction as the loop wants it: run, gas, least and greatest stack depth before it."""

STACK_LIMIT = 1_024


def undefined(opcode: int) -> InvalidOpcode:
    """Make the halt of a byte that is no instruction, or of the one named INVALID (EIP-141)."""
    return InvalidOpcode("invalid opcode: " + ("INVALID" if opcode == 0xFE else f"opcode {opcode:#x} not defined"))


def _no_instruction(frame: Frame) -> None:
    raise undefined(frame.code[frame.pc - 1])


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """All that code execution and a transaction's gas depend on; a later fork is `earlier.evolve(...)`.

    `None` and `False` mean that the fork has no such rule. `name` is the lower-case name of the execution specs.
    """

    name: str
    instructions: Mapping[int, Instruction]
    precompiles: Mapping[Address, Precompile]
    # transactions (read by the ledger)
    tx_gas: int = 21_000
    tx_create_gas: int = 0  # beside tx_gas; EIP-2: 32,000
    tx_data_zero_gas: int = 4
    tx_data_nonzero_gas: int = 68  # EIP-2028: 16
    tx_access_address_gas: int = 2_400  # EIP-2930
    tx_access_slot_gas: int = 1_900
    tx_floor_token_gas: int | None = None  # EIP-7623: 10; a nonzero byte is 4 tokens
    tx_gas_cap: int | None = None  # EIP-7825
    tx_blob_cap: int | None = None  # EIP-7594: blobs in one transaction
    authorization_gas: int = 25_000  # EIP-7702, PER_EMPTY_ACCOUNT_COST
    authorization_refund: int = 12_500  # PER_EMPTY_ACCOUNT_COST - PER_AUTH_BASE_COST
    refund_quotient: int = 2  # EIP-3529: 5
    blobs: BlobSchedule | None = None
    blob_base_cost: int | None = None  # EIP-7918
    warm_coinbase: bool = False  # EIP-3651
    has_access_sets: bool = False  # EIP-2929
    clears_empty: bool = False  # EIP-161
    has_delegation: bool = False  # EIP-7702
    # creation
    max_code_size: int | None = None  # EIP-170
    max_initcode_size: int | None = None  # EIP-3860
    initcode_word_gas: int = 0  # EIP-3860: 2
    code_deposit_gas: int = 200
    code_deposit_must_pay: bool = False  # EIP-2: no money for the code is a failure, not an empty contract
    contract_nonce: int = 0  # EIP-161: 1
    forbidden_code_prefix: bytes | None = None  # EIP-3541
    # instructions whose price depends on state, beside the constant part in the table
    exp_byte_gas: int = 10  # EIP-160: 50
    selfdestruct_new_account_gas: int = 0  # EIP-150: 25,000
    selfdestruct_refund: int = 24_000  # EIP-3529: 0
    destroys_only_created: bool = False  # EIP-6780
    keeps_reserve: bool = False  # EIP-150: a caller keeps 1/64 of its gas
    noop_storage_gas: int = 0  # EIP-1283, EIP-2200, EIP-2929: SSTORE of what is there already
    storage_reserve: int = 0  # EIP-2200: SSTORE needs more than this much gas
    storage_reset_gas: int = 5_000  # EIP-2929: 2,900
    storage_clear_refund: int = 15_000  # EIP-3529: 4,800
    cold_slot_gas: int = 0  # EIP-2929: 2,100, of which SLOAD's constant part is 100
    cold_address_gas: int = 0  # EIP-2929: 2,600, of which the constant part is 100
    rows: tuple[Row, ...] = field(init=False, repr=False)  # of all 256 bytes

    def __post_init__(self) -> None:
        rows: list[Row] = [(_no_instruction, 0, 0, STACK_LIMIT)] * 256
        for opcode, i in self.instructions.items():
            rows[opcode] = (i.run, i.gas, i.pops, STACK_LIMIT - max(0, i.pushes - i.pops))
        object.__setattr__(self, "rows", tuple(rows))

    def evolve(
        self,
        name: str,
        *,
        add: Mapping[int, Instruction] | None = None,
        reprice: Mapping[int, int] | None = None,
        precompiles: Mapping[Address, Precompile] | None = None,
        **changes: Any,
    ) -> "Fork":
        """Make the next fork: these instructions and precompiles added or replaced, these prices and fields changed."""
        instructions = {**self.instructions, **(add or {})}
        for opcode, gas in (reprice or {}).items():
            instructions[opcode] = replace(instructions[opcode], gas=gas)
        return replace(
            self,
            name=name,
            instructions=instructions,
            precompiles={**self.precompiles, **(precompiles or {})},
            **changes,
        )
