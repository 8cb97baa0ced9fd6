"""Generated calls of every method of both worlds on one twin chain: never a fault of ours, and the chain is whole afterwards."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from node.rpc.dispatch import Call
from node.rpc.ethereum_server import EthereumCall
from tests.node.rpc.ethereum.test_fuzz import SLOW as SLOW_ACCOUNTS
from tests.node.rpc.ethereum.test_fuzz import VALUES
from tests.node.rpc.test_fuzz import BLOCKS, ODD
from tests.node.rpc.test_fuzz import SLOW as SLOW_COINS
from tests.node.rpc.twin_harness import TwinClient
from tests.twins import ENGINES

CALLS = 50_000 if os.environ.get("CHAINYARD_ALL") else 1_500
APART = {
    *(
        "encryptwallet",
        "walletpassphrase",
        "walletpassphrasechange",
        "unloadwallet",
        "createwallet",
        "restorewallet",
        "importmnemonic",
    ),
    *(
        "staking",
        "mint",
        "backupwallet",
        "loadwallet",
        "setmocktime",
        "rescanblockchain",
        "invalidateblock",
        "scanblocks",
    ),
}
"""Methods that stretch keys, write files, or go on after the call: fuzzed with their own group, or not wanted here."""


@pytest.mark.parametrize("chain", ENGINES)
def test_generated_calls_of_both_worlds(chain: str, tmp_path: Path) -> None:
    twin, rng = TwinClient(tmp_path, chain), random.Random(11)
    try:
        address = twin.rich()
        twin.btc("deposit", "1", "0x" + "77" * 20)
        twin.btc("exit", "0.1", address)
        (tip,) = twin.btc("generatetoaddress", 1, address)
        payload = twin.btc("getpayload", tip)["payload"]
        coins = [
            *ODD,
            tip,
            address,
            twin.btc("getblock", tip, 0),
            twin.btc("getblock", tip)["tx"][0],
            payload,
            "0x" + "77" * 20,
        ]
        accounts = [*VALUES, payload, "0x" + tip, {"blockHash": payload}]
        methods = [m for m in twin.bitcoin.registry.methods.values() if m.name not in SLOW_COINS | APART | BLOCKS]
        others = [m for m in twin.ethereum.registry.methods.values() if m.name not in SLOW_ACCOUNTS]

        async def fuzz() -> None:
            for number in range(CALLS):
                method = methods[number % len(methods)]
                params = [rng.choice(coins) for _ in range(rng.randint(0, len(method.params)))]
                body = orjson.dumps({"method": method.name, "params": _small(params), "id": 1}, default=str)
                answer = orjson.loads((await twin.bitcoin.answer(body, Call("user", None)))[0])
                assert answer["error"] is None or answer["error"]["code"] != -32603, (method.name, params, answer)
                other = others[number % len(others)]
                given: list[Any] = [rng.choice(accounts) for _ in range(rng.randint(0, len(other.params)))]
                if "ine" in other.name or "hardhat_reset" in other.name:
                    given = [p for p in given if not isinstance(p, int | float)]
                body = orjson.dumps({"jsonrpc": "2.0", "method": other.name, "params": _small(given), "id": 1})
                answer = orjson.loads((await twin.ethereum.answer(body, EthereumCall("", None, "", twin.session)))[0])
                assert answer.get("error", {}).get("code") != -32603, (other.name, given, answer)

        twin.run(fuzz())
        twin.eth("hardhat_reset")
        twin.btc("generatetoaddress", 2, address)
        assert twin.btc("getblockcount") == 2 and twin.eth("eth_blockNumber") == "0x2"
        assert twin.btc("verifychain", 4, 0) is True
    finally:
        twin.close()


def _small(params: list[Any]) -> list[Any]:
    """Without the numbers that this writer of JSON refuses."""
    return [p for p in params if not isinstance(p, int) or -(2**63) <= p < 2**64]
