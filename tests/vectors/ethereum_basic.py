"""The small suites: RLP, tries, genesis blocks, basic formats, transactions alone, difficulty formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from consensus import difficulty_ethereum as eras
from consensus.difficulty_ethereum import Difficulty, Era, child_difficulty
from ledger.account.fees import floor_gas, intrinsic_gas
from ledger.account.ledger import genesis_root
from ledger.account.transaction import check_form, check_possible
from ledger.account.trie import Trie, pack_path, unpack_path
from primitives import rlp, secp256k1
from primitives.errors import ChainError, DecodeError
from primitives.ethereum import (
    EMPTY_BLOOM,
    EMPTY_OMMERS,
    EMPTY_ROOT,
    EthereumBlock,
    EthereumHeader,
    decode_block,
    decode_header,
)
from primitives.ethereum_fields import number as minimal
from primitives.ethereum_tx import LEGACY, EthereumTransaction, account_of, decode_transaction, sign
from primitives.hashing import keccak256
from tests.vectors.ethereum_blocks import ERAS, alloc_of
from tests.vectors.ethereum_data import Memory, data, files, fixed, load, number, rules_of
from tests.vectors.ethereum_exceptions import expect
from tests.vectors.outcome import Skip
from wallet import abi

Case = tuple[str, Callable[[], None]]


def text(value: str) -> bytes:
    """A key or value of a trie test: hex with 0x, else the characters."""
    return data(value) if value.startswith("0x") else value.encode()


# RLP


def _item(value: Any) -> rlp.Item:
    if isinstance(value, list):
        return [_item(v) for v in value]
    if isinstance(value, int):
        return minimal(value)
    return minimal(int(value[1:])) if value.startswith("#") else value.encode("latin-1")


def _rlp_case(test: dict[str, Any]) -> None:
    out = data(test["out"])
    if test["in"] == "INVALID":
        try:
            rlp.decode(out)
        except DecodeError:
            return
        raise AssertionError("decoded")
    if test["in"] == "VALID":
        assert rlp.encode(rlp.decode(out)) == out
        return
    item = _item(test["in"])
    assert rlp.encode(item) == out
    assert rlp.decode(out) == item


def rlp_tests(folder: Path) -> Iterator[Case]:
    """RLPTests."""
    for path in files(folder / "tests/RLPTests"):
        for name, test in load(path).items():
            yield f"{path.name}:{name}", partial(_rlp_case, test)


# tries


def _trie_case(test: dict[str, Any], secure: bool) -> None:
    entries = test["in"].items() if isinstance(test["in"], dict) else test["in"]
    whole, stepwise = Trie(Memory()), Trie(Memory())
    for key, value in entries:
        at = keccak256(text(key)) if secure else text(key)
        for trie in (whole, stepwise):
            trie.put(at, text(value) if value is not None else b"")
        stepwise.commit()
    assert whole.commit() == stepwise.commit() == data(test["root"])


def _neighbour_case(keys: list[str], key: str, before: str, after: str) -> None:
    trie = Trie(Memory())
    for k in keys:
        trie.put(k.encode(), k.encode())
    found = [k.decode() for k, _ in trie.items()]
    assert found == sorted(keys)
    assert max((k for k in found if k < key), default="") == before
    assert min((k for k in found if k > key), default="") == after


def trie_tests(folder: Path) -> Iterator[Case]:
    """TrieTests."""
    for path in files(folder / "tests/TrieTests"):
        for name, test in load(path).items():
            if path.name == "trietestnextprev.json":
                for key, before, after in test["tests"]:
                    yield f"{path.name}:{name}:{key}", partial(_neighbour_case, test["in"], key, before, after)
            else:
                yield f"{path.name}:{name}", partial(_trie_case, test, "secure" in path.name)


# genesis


def _genesis_case(test: dict[str, Any]) -> None:
    header = EthereumHeader(
        fixed(test["parentHash"], 32), EMPTY_OMMERS, fixed(test["coinbase"], 20),
        genesis_root(alloc_of(test["alloc"]), Memory()), EMPTY_ROOT, EMPTY_ROOT, EMPTY_BLOOM, number(test["difficulty"]),
        0, number(test["gasLimit"]), 0, number(test["timestamp"]), data(test["extraData"]), fixed(test["mixHash"], 32),
        fixed(test["nonce"], 8),
    )  # fmt: skip
    block = EthereumBlock(header)
    assert block.raw == data(test["result"])
    assert decode_block(block.raw) == block


def genesis_tests(folder: Path) -> Iterator[Case]:
    """GenesisTests."""
    for path in files(folder / "tests/GenesisTests"):
        for name, test in load(path).items():
            yield f"{path.name}:{name}", partial(_genesis_case, test)


# basic formats


def _key_case(test: dict[str, Any]) -> None:
    key = keccak256(test["seed"].encode())
    assert key == data(test["key"])
    assert account_of(secp256k1.public_key(key, compressed=False)) == data(test["addr"])


def _signature_case() -> None:
    raise Skip(
        "what the file calls a signature of the empty string is not one of any known digest; no client checks it"
    )


def _tx_case(test: dict[str, Any]) -> None:
    price = number(test["gasprice"])
    tx = EthereumTransaction(
        LEGACY, None, number(test["nonce"]), price, price, number(test["startgas"]), data(test["to"]) or None,
        number(test["value"]), data(test["data"]),
    )  # fmt: skip
    assert tx.raw == data(test["unsigned"])
    signed = decode_transaction(data(test["signed"]))
    key = data(test["key"])
    assert signed.sender == account_of(secp256k1.public_key(key, compressed=False)) == sign(tx, key).sender
    assert (signed.nonce, signed.to, signed.value, signed.fee_cap) == (tx.nonce, tx.to, tx.value, tx.fee_cap)


def _path_case(test: dict[str, Any]) -> None:
    path = bytes(test["seq"])
    assert pack_path(path, test["term"]) == data(test["out"])
    assert unpack_path(data(test["out"])) == (path, test["term"])


def _mainnet_genesis_case(test: dict[str, Any]) -> None:
    block = decode_block(data(test["genesis_rlp_hex"]))
    assert block.header.hash == data(test["genesis_hash"])
    assert block.header.state_root == data(test["genesis_state_root"])
    assert block.raw == data(test["genesis_rlp_hex"])


def _crypto_case(test: dict[str, str]) -> None:
    if test["decryption_type"] != "aes_ctr":
        raise Skip("devp2p's ECIES of 2014; no client runs the file, and this node speaks another wire")
    from Crypto.Cipher import AES

    cipher = AES.new(data(test["key"]), AES.MODE_CTR, nonce=b"", initial_value=0)
    assert cipher.decrypt(data(test["cipher"])) == data(test["payload"])


def _old_genesis_case() -> None:
    raise Skip("a header of 13 fields from before Frontier (proof of concept 5); no client reads it")


def basic_tests(folder: Path) -> Iterator[Case]:
    """BasicTests."""
    base = folder / "tests/BasicTests"
    for i, _ in enumerate(load(base / "blockgenesistest.json")):
        yield f"blockgenesistest:{i}", _old_genesis_case
    for name, test in load(base / "crypto.json").items():
        yield f"crypto:{name}", partial(_crypto_case, test)
    for name, test in load(base / "hexencodetest.json").items():
        yield f"hexencodetest:{name}", partial(_path_case, test)
    yield "genesishashestest", partial(_mainnet_genesis_case, load(base / "genesishashestest.json"))
    for i, test in enumerate(load(base / "keyaddrtest.json")):
        yield f"keyaddrtest:{i}", partial(_key_case, test)
        yield f"keyaddrtest:{i}:signature", _signature_case
    for i, test in enumerate(load(base / "txtest.json")):
        yield f"txtest:{i}", partial(_tx_case, test)
    for name, eras_ in OLD_DIFFICULTY.items():
        for case, test in load(base / f"{name}.json").items():
            yield f"{name}:{case}", partial(_difficulty_case, eras_, test)


# difficulty

OLD_DIFFICULTY: dict[str, Difficulty] = {
    "difficulty": eras.MAINNET,
    "difficultyRopsten": Difficulty(
        ((0, eras.HOMESTEAD), (1_700_000, eras.BYZANTIUM), (4_230_000, eras.CONSTANTINOPLE))
    ),
    "difficultyMainNetwork": eras.MAINNET,
    "difficultyCustomHomestead": Difficulty(((0, eras.HOMESTEAD),)),
    "difficultyCustomMainNetwork": eras.MAINNET,
}


def _difficulty_case(rule: Difficulty, test: dict[str, Any]) -> None:
    ommers = test.get("parentUncles", "0x00")
    has = data(ommers) != EMPTY_OMMERS if len(ommers) > 10 else number(ommers) > 0
    height = number(test["currentBlockNumber"])
    era: Era = rule.era(height)
    found = child_difficulty(
        era,
        number(test["parentDifficulty"]),
        number(test["parentTimestamp"]),
        has,
        height,
        number(test["currentTimestamp"]),
    )
    assert found == number(test["currentDifficulty"]), f"{found}, not {number(test['currentDifficulty'])}"


def difficulty_tests(folder: Path) -> Iterator[Case]:
    """DifficultyTests."""
    for path in files(folder / "tests/DifficultyTests"):
        for name, test in load(path).items():
            for fork, cases in test.items():
                if fork != "_info":
                    rule = Difficulty(((0, ERAS[fork]),))
                    for case, fields in cases.items():
                        yield f"{path.stem}:{name}:{fork}:{case}", partial(_difficulty_case, rule, fields)


# transactions


def _transaction_case(test: dict[str, Any], fork: str) -> None:
    wanted, rules = test["result"][fork], rules_of(fork)
    failure: ChainError | None = None
    try:
        tx = decode_transaction(data(test["txbytes"]))
        check_form(tx, rules, 1)
        check_possible(tx)
        sender = tx.sender
    except ChainError as e:
        failure = e
    if "exception" in wanted:
        expect(wanted["exception"], failure)
        return
    if failure is not None:
        raise failure
    assert tx.id == data(wanted["hash"]), "hash"
    assert sender == data(wanted["sender"]), "sender"
    gas = max(intrinsic_gas(tx, rules.fork), floor_gas(tx, rules.fork))
    assert gas == number(wanted["intrinsicGas"]), f"intrinsic gas {gas}"
    assert decode_transaction(tx.raw) == tx


def transaction_tests(folder: Path) -> Iterator[Case]:
    """TransactionTests, one case a fork."""
    for path in files(folder / "tests/TransactionTests"):
        for name, test in load(path).items():
            for fork in test["result"]:
                yield f"{path.stem}:{name}:{fork}", partial(_transaction_case, test, fork)


def header_round_trip(encoded: bytes) -> EthereumHeader:
    """A header that encodes to what it was read from."""
    header = decode_header(encoded)
    assert keccak256(encoded) == header.hash
    return header


# contract calls


def _abi_case(test: dict[str, Any]) -> None:
    assert abi.encode(test["types"], test["args"]) == data(test["result"])
    decoded = abi.decode(test["types"], data(test["result"]))
    assert abi.encode(test["types"], decoded) == data(test["result"])


def abi_tests(folder: Path) -> Iterator[Case]:
    """ABITests."""
    for path in files(folder / "tests/ABITests"):
        for name, test in load(path).items():
            yield f"{path.stem}:{name}", partial(_abi_case, test)


SUITES = {
    "abi": abi_tests,
    "rlp": rlp_tests,
    "trie": trie_tests,
    "genesis": genesis_tests,
    "basic": basic_tests,
    "difficulty": difficulty_tests,
    "transaction": transaction_tests,
}
