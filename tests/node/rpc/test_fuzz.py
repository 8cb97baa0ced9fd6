"""Generated calls of every method: whatever clients send, the answer is a result or an error of theirs, never a fault of ours."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import orjson
import pytest

from node.rpc.dispatch import Call
from tests.node.rpc.harness import ANYONE, Client

CALLS = 100_000 if os.environ.get("CHAINYARD_ALL") else 5_000
SLOW = {"waitfornewblock", "waitforblock", "waitforblockheight", "stop", "deriveaddresses"}
"""Methods that may wait for ever or work for long, as they are asked to."""
BLOCKS = {"generatetoaddress", "generatetodescriptor"}
ODD: list[Any] = [
    None, [], {}, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**64 - 1, 2**256, 0.5, 1e300, -0.0, "", "0", "1",
    "0x", "0xzz", "00",
    "zz", " ", "\x00", "é" * 20, "a" * 64, "ab" * 32, "ff" * 5000, "00" * 80, [None], [[]], [{}], ["a"], [1, 2], {"a": 1},
    {"txid": "ab" * 32, "vout": 0}, [{"txid": "ab" * 32, "vout": 2**32}], [{"txid": "ab" * 32, "vout": 1.5}], {"data": "00"},
    {"rules": ["segwit"]}, {"rules": ["segwit"], "mode": "proposal", "data": "00"}, {"desc": "raw(51)"}, "raw(51)", "addr(x)", "add",
    "remove", "start", "abort", "status", "basic", "hash_serialized_3", "muhash", "none", "1e400", "NaN", "-1", ANYONE.wpkh, ANYONE.pkh,
    ANYONE.wif, "wpkh(" + ANYONE.public.hex() + ")", "127.0.0.1", "::1/128", [ANYONE.wif], {ANYONE.wpkh: 1}, [{ANYONE.wpkh: "1e9"}],
]  # fmt: skip


def values(client: Client) -> list[Any]:
    """Odd values, and some that mean something on this chain."""
    tip = client.call("getbestblockhash")
    block = client.call("getblock", tip, 0)
    coinbase = client.call("getblock", tip)["tx"][0]
    raw = client.call("getrawtransaction", coinbase)
    coin = {"txid": coinbase, "vout": 0}
    proof = client.call("gettxoutproof", [coinbase])
    spend = client.call("createrawtransaction", [coin], {ANYONE.wpkh: 1})
    return [
        *ODD,
        tip,
        coinbase,
        raw,
        block,
        block[:160],
        coin,
        [coin],
        [coinbase],
        [raw],
        [spend],
        spend,
        proof,
        3,
        5,
        [raw, spend],
    ]


def test_generated_calls_never_end_in_an_internal_error() -> None:
    client = Client()
    try:
        client.mine(3)
        pool = values(client)
        methods = [m for m in client.dispatcher.registry.methods.values() if m.name not in SLOW]
        rng = random.Random(20)

        async def fuzz() -> None:
            for number in range(CALLS):
                method = methods[number % len(methods)]
                count = rng.randint(0, len(method.params) + (rng.random() < 0.1))
                params: Any = [rng.choice(pool) for _ in range(count)]
                if method.name in BLOCKS and params and isinstance(params[0], int) and params[0] > 3:
                    params[0] = 1
                if method.params and rng.random() < 0.2:
                    params = {rng.choice(method.params).name: rng.choice(pool) for _ in range(2)}
                    if method.name in BLOCKS:
                        params.pop("nblocks", None), params.pop("num_blocks", None)
                body = json.dumps({"method": method.name, "params": params, "id": number}).encode()
                answer, status = await client.dispatcher.answer(body, Call("user", None))
                reply = orjson.loads(answer)
                assert reply["id"] == number and status in (200, 400, 404, 500)
                error = reply["error"]
                if error is not None:
                    assert error["code"] != -32603, (method.name, params, error)
                    assert "Traceback" not in error["message"] and ANYONE.wif not in error["message"], (
                        method.name,
                        error,
                    )

        client.run(fuzz())
        client.call("setmocktime", 0)
        assert client.call("getblockcount") >= 0
        assert len(client.mine(1)) == 1
    finally:
        client.close()


@pytest.mark.parametrize("low, high", [(0, 40), (40, 80), (80, 200)])
def test_every_method_survives_every_odd_value_everywhere(low: int, high: int) -> None:
    client = Client()
    try:
        client.mine(2)
        names = sorted(client.dispatcher.registry.methods)[low:high]

        async def everything() -> None:
            for name in names:
                method = client.dispatcher.registry.methods[name]
                if name in SLOW | BLOCKS:
                    continue
                for place in range(len(method.params)):
                    for value in ODD:
                        params = [ODD[0]] * place + [value]
                        body = json.dumps({"method": name, "params": params, "id": 1}).encode()
                        reply = orjson.loads((await client.dispatcher.answer(body, Call("user", None)))[0])
                        assert reply["error"] is None or reply["error"]["code"] != -32603, (
                            name,
                            params,
                            reply["error"],
                        )

        client.run(everything())
    finally:
        client.close()
