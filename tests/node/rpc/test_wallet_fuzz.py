"""Generated calls of the wallet methods: an answer or an error of theirs, never a fault of ours, and no secret in an error."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import orjson

from node.rpc.dispatch import Call
from tests.node.rpc.test_fuzz import values
from tests.node.rpc.wallet_harness import WalletClient

CALLS = 50_000 if os.environ.get("CHAINYARD_ALL") else 3_000
FILES = {"backupwallet", "createwallet"}
"""Methods that leave a file or a folder behind with each call."""


def test_generated_wallet_calls_never_end_in_an_internal_error(tmp_path: Path) -> None:
    client = WalletClient(tmp_path)
    try:
        wallet = client.funded("a")
        desc = wallet.call("listdescriptors", True)["descriptors"][0]["desc"]
        secrets = [wallet.call("getmnemonic"), desc.partition("tprv")[2][:40]]
        address, coin = wallet.call("getnewaddress"), wallet.call("listunspent")[0]
        point = {"txid": coin["txid"], "vout": coin["vout"]}
        pool = [
            *values(client), "a", address, [address], {address: 1}, [{address: "0.5"}], point, [point], coin["txid"], {"fee_rate": 3},
            {"inputs": [point]}, {"desc": desc, "timestamp": "now"}, [{"desc": desc, "timestamp": 0, "active": True}], {"psbt": True},
            [{"desc": desc, "timestamp": 2**62}], {"subtractFeeFromOutputs": [0]}, {"changePosition": 2**40}, {"minconf": 2**63 - 1},
            [{"desc": desc, "range": [0, 2**31], "timestamp": 0}],
        ]  # fmt: skip
        methods = [
            m for m in client.dispatcher.registry.methods.values() if m.family == "wallet" and m.name not in FILES
        ]
        assert len(methods) > 50
        rng = random.Random(21)

        async def fuzz() -> None:
            for number in range(CALLS):
                method = methods[number % len(methods)]
                count = rng.randint(0, len(method.params))
                params: Any = [rng.choice(pool) for _ in range(count)]
                if method.params and rng.random() < 0.3:
                    params = {rng.choice(method.params).name: rng.choice(pool) for _ in range(2)}
                if method.name == "keypoolrefill":
                    params = [rng.choice([0, 1, -1, None, "x", 2**63])]
                body = json.dumps({"method": method.name, "params": params, "id": number}).encode()
                reply = orjson.loads((await client.dispatcher.answer(body, Call("user", None)))[0])
                error = reply["error"]
                if error is not None:
                    assert error["code"] != -32603, (method.name, params, error)
                    assert not any(secret in error["message"] for secret in secrets), (method.name, error)
                if "a" not in client.wallets.loaded:
                    await client.acall("loadwallet", "a")

        client.run(fuzz())
        assert client.call("listwallets") == ["a"] or client.on("a").call("getwalletinfo")["walletname"] == "a"
    finally:
        client.close()
