"""The EVM's forks, each a record made from the one before: what changed in a fork is its paragraph here.

Difficulty, rewards, transaction types and system calls change in ledger/account/rules.py.
"""

from typing import Final

from vm.evm.api import BlobSchedule, Fork, Instruction
from vm.evm.instructions import arithmetic, bitwise, context, flow, log, memory, stack, storage, system
from vm.evm.precompiles import blake2, bls12, bn254, hashes, kzg, modexp, p256, recover


def _at(number: int) -> bytes:
    return number.to_bytes(20, "big")


def _instructions() -> dict[int, Instruction]:
    table = {
        0x00: Instruction("STOP", flow.stop, 0, 0, 0),
        0x01: Instruction("ADD", arithmetic.add, 3, 2, 1),
        0x02: Instruction("MUL", arithmetic.mul, 5, 2, 1),
        0x03: Instruction("SUB", arithmetic.sub, 3, 2, 1),
        0x04: Instruction("DIV", arithmetic.div, 5, 2, 1),
        0x05: Instruction("SDIV", arithmetic.sdiv, 5, 2, 1),
        0x06: Instruction("MOD", arithmetic.mod, 5, 2, 1),
        0x07: Instruction("SMOD", arithmetic.smod, 5, 2, 1),
        0x08: Instruction("ADDMOD", arithmetic.addmod, 8, 3, 1),
        0x09: Instruction("MULMOD", arithmetic.mulmod, 8, 3, 1),
        0x0A: Instruction("EXP", arithmetic.exp, 10, 2, 1),
        0x0B: Instruction("SIGNEXTEND", arithmetic.signextend, 5, 2, 1),
        0x10: Instruction("LT", bitwise.lt, 3, 2, 1),
        0x11: Instruction("GT", bitwise.gt, 3, 2, 1),
        0x12: Instruction("SLT", bitwise.slt, 3, 2, 1),
        0x13: Instruction("SGT", bitwise.sgt, 3, 2, 1),
        0x14: Instruction("EQ", bitwise.eq, 3, 2, 1),
        0x15: Instruction("ISZERO", bitwise.iszero, 3, 1, 1),
        0x16: Instruction("AND", bitwise.and_, 3, 2, 1),
        0x17: Instruction("OR", bitwise.or_, 3, 2, 1),
        0x18: Instruction("XOR", bitwise.xor, 3, 2, 1),
        0x19: Instruction("NOT", bitwise.not_, 3, 1, 1),
        0x1A: Instruction("BYTE", bitwise.byte, 3, 2, 1),
        0x20: Instruction("KECCAK256", context.keccak, 30, 2, 1),
        0x30: Instruction("ADDRESS", context.address, 2, 0, 1),
        0x31: Instruction("BALANCE", context.balance, 20, 1, 1),
        0x32: Instruction("ORIGIN", context.origin, 2, 0, 1),
        0x33: Instruction("CALLER", context.caller, 2, 0, 1),
        0x34: Instruction("CALLVALUE", context.call_value, 2, 0, 1),
        0x35: Instruction("CALLDATALOAD", context.call_data_load, 3, 1, 1),
        0x36: Instruction("CALLDATASIZE", context.call_data_size, 2, 0, 1),
        0x37: Instruction("CALLDATACOPY", context.call_data_copy, 3, 3, 0),
        0x38: Instruction("CODESIZE", context.code_size, 2, 0, 1),
        0x39: Instruction("CODECOPY", context.code_copy, 3, 3, 0),
        0x3A: Instruction("GASPRICE", context.gas_price, 2, 0, 1),
        0x3B: Instruction("EXTCODESIZE", context.ext_code_size, 20, 1, 1),
        0x3C: Instruction("EXTCODECOPY", context.ext_code_copy, 20, 4, 0),
        0x40: Instruction("BLOCKHASH", context.block_hash, 20, 1, 1),
        0x41: Instruction("COINBASE", context.coinbase, 2, 0, 1),
        0x42: Instruction("TIMESTAMP", context.timestamp, 2, 0, 1),
        0x43: Instruction("NUMBER", context.number, 2, 0, 1),
        0x44: Instruction("DIFFICULTY", context.difficulty, 2, 0, 1),
        0x45: Instruction("GASLIMIT", context.gas_limit, 2, 0, 1),
        0x50: Instruction("POP", stack.pop, 2, 1, 0),
        0x51: Instruction("MLOAD", memory.mload, 3, 1, 1),
        0x52: Instruction("MSTORE", memory.mstore, 3, 2, 0),
        0x53: Instruction("MSTORE8", memory.mstore8, 3, 2, 0),
        0x54: Instruction("SLOAD", storage.sload, 50, 1, 1),
        0x55: Instruction("SSTORE", storage.sstore, 0, 2, 0),
        0x56: Instruction("JUMP", flow.jump, 8, 1, 0),
        0x57: Instruction("JUMPI", flow.jumpi, 10, 2, 0),
        0x58: Instruction("PC", flow.pc, 2, 0, 1),
        0x59: Instruction("MSIZE", memory.msize, 2, 0, 1),
        0x5A: Instruction("GAS", flow.gas, 2, 0, 1),
        0x5B: Instruction("JUMPDEST", flow.jumpdest, 1, 0, 0),
        0xF0: Instruction("CREATE", system.create, 32_000, 3, 1),
        0xF1: Instruction("CALL", system.call, 40, 7, 1),
        0xF2: Instruction("CALLCODE", system.call_code, 40, 7, 1),
        0xF3: Instruction("RETURN", flow.return_, 0, 2, 0),
        0xFF: Instruction("SELFDESTRUCT", system.self_destruct, 0, 1, 0),
    }
    for n in range(1, 33):
        table[0x5F + n] = Instruction(f"PUSH{n}", stack.push(n), 3, 0, 1)
    for n in range(1, 17):
        table[0x7F + n] = Instruction(f"DUP{n}", stack.dup(n), 3, n, n + 1)
        table[0x8F + n] = Instruction(f"SWAP{n}", stack.swap(n), 3, n + 1, n + 1)
    for n in range(5):
        table[0xA0 + n] = Instruction(f"LOG{n}", log.log(n), 375 * (n + 1), n + 2, 0)
    return table


FRONTIER: Final = Fork(
    "frontier",
    instructions=_instructions(),
    precompiles={_at(1): recover.RECOVER, _at(2): hashes.SHA256, _at(3): hashes.RIPEMD160, _at(4): hashes.IDENTITY},
)

HOMESTEAD: Final = FRONTIER.evolve(
    "homestead",
    add={0xF4: Instruction("DELEGATECALL", system.delegate_call, 40, 6, 1)},  # EIP-7
    tx_create_gas=32_000,  # EIP-2
    code_deposit_must_pay=True,  # EIP-2
)

DAO_FORK: Final = HOMESTEAD.evolve("dao_fork")

TANGERINE_WHISTLE: Final = DAO_FORK.evolve(
    "tangerine_whistle",  # EIP-150
    reprice={0x31: 400, 0x3B: 700, 0x3C: 700, 0x54: 200, 0xF1: 700, 0xF2: 700, 0xF4: 700, 0xFF: 5_000},
    selfdestruct_new_account_gas=25_000,
    keeps_reserve=True,
)

SPURIOUS_DRAGON: Final = TANGERINE_WHISTLE.evolve(
    "spurious_dragon",
    exp_byte_gas=50,  # EIP-160
    clears_empty=True,  # EIP-161
    contract_nonce=1,  # EIP-161
    max_code_size=24_576,  # EIP-170
)

BYZANTIUM: Final = SPURIOUS_DRAGON.evolve(
    "byzantium",
    add={
        0x3D: Instruction("RETURNDATASIZE", context.return_data_size, 2, 0, 1),  # EIP-211
        0x3E: Instruction("RETURNDATACOPY", context.return_data_copy, 3, 3, 0),  # EIP-211
        0xFA: Instruction("STATICCALL", system.static_call, 700, 6, 1),  # EIP-214
        0xFD: Instruction("REVERT", flow.revert, 0, 2, 0),  # EIP-140
    },
    precompiles={
        _at(5): modexp.MODEXP,  # EIP-198
        _at(6): bn254.ADD,  # EIP-196
        _at(7): bn254.MUL,  # EIP-196
        _at(8): bn254.PAIRING,  # EIP-197
    },
)

CONSTANTINOPLE: Final = BYZANTIUM.evolve(
    "constantinople",
    add={
        0x1B: Instruction("SHL", bitwise.shl, 3, 2, 1),  # EIP-145
        0x1C: Instruction("SHR", bitwise.shr, 3, 2, 1),
        0x1D: Instruction("SAR", bitwise.sar, 3, 2, 1),
        0x3F: Instruction("EXTCODEHASH", context.ext_code_hash, 400, 1, 1),  # EIP-1052
        0x55: Instruction("SSTORE", storage.sstore_net, 0, 2, 0),  # EIP-1283
        0xF5: Instruction("CREATE2", system.create2, 32_000, 4, 1),  # EIP-1014
    },
    noop_storage_gas=200,
)

PETERSBURG: Final = CONSTANTINOPLE.evolve(
    "petersburg",  # EIP-1716: takes EIP-1283 back
    add={0x55: Instruction("SSTORE", storage.sstore, 0, 2, 0)},
    noop_storage_gas=0,
)

ISTANBUL: Final = PETERSBURG.evolve(
    "istanbul",
    add={
        0x46: Instruction("CHAINID", context.chain_id, 2, 0, 1),  # EIP-1344
        0x47: Instruction("SELFBALANCE", context.self_balance, 5, 0, 1),  # EIP-1884
        0x55: Instruction("SSTORE", storage.sstore_net, 0, 2, 0),  # EIP-2200
    },
    reprice={0x31: 700, 0x3F: 700, 0x54: 800},  # EIP-1884
    precompiles={
        _at(6): bn254.ADD_CHEAPER,  # EIP-1108
        _at(7): bn254.MUL_CHEAPER,
        _at(8): bn254.PAIRING_CHEAPER,
        _at(9): blake2.COMPRESS,  # EIP-152
    },
    tx_data_nonzero_gas=16,  # EIP-2028
    noop_storage_gas=800,  # EIP-2200
    storage_reserve=2_300,
)

MUIR_GLACIER: Final = ISTANBUL.evolve("muir_glacier")

BERLIN: Final = MUIR_GLACIER.evolve(
    "berlin",
    reprice={  # EIP-2929: the warm price; what is cold costs more
        0x31: 100,
        0x3B: 100,
        0x3C: 100,
        0x3F: 100,
        0x54: 100,
        0xF1: 100,
        0xF2: 100,
        0xF4: 100,
        0xFA: 100,
    },
    precompiles={_at(5): modexp.MODEXP_CHEAPER},  # EIP-2565
    has_access_sets=True,
    cold_slot_gas=2_100,
    cold_address_gas=2_600,
    noop_storage_gas=100,
    storage_reset_gas=2_900,
)

LONDON: Final = BERLIN.evolve(
    "london",
    add={0x48: Instruction("BASEFEE", context.base_fee, 2, 0, 1)},  # EIP-3198
    refund_quotient=5,  # EIP-3529
    storage_clear_refund=4_800,
    selfdestruct_refund=0,
    forbidden_code_prefix=b"\xef",  # EIP-3541
)

ARROW_GLACIER: Final = LONDON.evolve("arrow_glacier")

GRAY_GLACIER: Final = ARROW_GLACIER.evolve("gray_glacier")

PARIS: Final = GRAY_GLACIER.evolve(
    "paris",
    add={0x44: Instruction("PREVRANDAO", context.randao, 2, 0, 1)},  # EIP-4399
)

SHANGHAI: Final = PARIS.evolve(
    "shanghai",
    add={0x5F: Instruction("PUSH0", stack.push0, 2, 0, 1)},  # EIP-3855
    warm_coinbase=True,  # EIP-3651
    max_initcode_size=49_152,  # EIP-3860
    initcode_word_gas=2,
)

CANCUN: Final = SHANGHAI.evolve(
    "cancun",
    add={
        0x49: Instruction("BLOBHASH", context.blob_hash, 3, 1, 1),  # EIP-4844
        0x4A: Instruction("BLOBBASEFEE", context.blob_base_fee, 2, 0, 1),  # EIP-7516
        0x5C: Instruction("TLOAD", storage.tload, 100, 1, 1),  # EIP-1153
        0x5D: Instruction("TSTORE", storage.tstore, 100, 2, 0),
        0x5E: Instruction("MCOPY", memory.mcopy, 3, 3, 0),  # EIP-5656
    },
    precompiles={_at(10): kzg.POINT_EVALUATION},  # EIP-4844
    destroys_only_created=True,  # EIP-6780
    blobs=BlobSchedule(target=3, max=6, base_fee_update_fraction=3_338_477),
)

PRAGUE: Final = CANCUN.evolve(
    "prague",
    precompiles={  # EIP-2537
        _at(11): bls12.G1_ADD,
        _at(12): bls12.G1_MSM,
        _at(13): bls12.G2_ADD,
        _at(14): bls12.G2_MSM,
        _at(15): bls12.PAIRING,
        _at(16): bls12.MAP_FP_TO_G1,
        _at(17): bls12.MAP_FP2_TO_G2,
    },
    has_delegation=True,  # EIP-7702
    tx_floor_token_gas=10,  # EIP-7623
    blobs=BlobSchedule(target=6, max=9, base_fee_update_fraction=5_007_716),  # EIP-7691
)

OSAKA: Final = PRAGUE.evolve(
    "osaka",
    add={0x1E: Instruction("CLZ", bitwise.clz, 5, 1, 1)},  # EIP-7939
    precompiles={
        _at(5): modexp.MODEXP_BOUNDED,  # EIP-7823, EIP-7883
        _at(0x100): p256.VERIFY,  # EIP-7951
    },
    tx_gas_cap=1 << 24,  # EIP-7825
    tx_blob_cap=6,  # EIP-7594
    blob_base_cost=1 << 13,  # EIP-7918
)

BPO1: Final = OSAKA.evolve(
    "bpo1", blobs=BlobSchedule(target=10, max=15, base_fee_update_fraction=8_346_193)
)  # EIP-7892

BPO2: Final = BPO1.evolve("bpo2", blobs=BlobSchedule(target=14, max=21, base_fee_update_fraction=11_684_671))

FORKS: Final = (
    *(FRONTIER, HOMESTEAD, DAO_FORK, TANGERINE_WHISTLE, SPURIOUS_DRAGON, BYZANTIUM, CONSTANTINOPLE, PETERSBURG),
    *(ISTANBUL, MUIR_GLACIER, BERLIN, LONDON, ARROW_GLACIER, GRAY_GLACIER, PARIS, SHANGHAI, CANCUN, PRAGUE),
    *(OSAKA, BPO1, BPO2),
)
