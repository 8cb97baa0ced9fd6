"""eth_getProof, checked by another implementation of tries (py-trie): accounts and slots that are there, and those that are not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from node.ethereum_client import EthereumClient
from primitives.hashing import keccak256
from tests.scenarios.ethereum.tools import HERE, TRIE, dev_node, venv_python

pytestmark = pytest.mark.scenario
BOX, NOBODY = "0x" + "b0" * 20, "0x" + "77" * 20
CODE = "0x6001"


def test_proofs_hold_elsewhere_too(tmp_path: Path) -> None:
    python = venv_python("trie", TRIE, "eth-hash[pycryptodome]")
    with dev_node(tmp_path) as node:
        rpc = EthereumClient(node.url)
        me = rpc.call("eth_accounts")[0]
        rpc.call("hardhat_setCode", BOX, CODE)
        for slot in range(40):
            rpc.call("hardhat_setStorageAt", BOX, hex(slot * 7), "0x" + (slot + 1).to_bytes(32, "big").hex())
        for i in range(60):
            to = "0x" + (i + 1).to_bytes(2, "big").hex() * 10
            rpc.call("eth_sendTransaction", {"from": me, "to": to, "value": hex(i + 1)})
        latest = int(rpc.call("eth_blockNumber"), 16)
        slots = [hex(n * 7) for n in (0, 1, 39, 40)] + [hex(3)]
        cases: list[dict[str, Any]] = []
        wanted = []
        for block in (0, 20, 41, latest):
            root = rpc.call("eth_getBlockByNumber", hex(block), False)["stateRoot"]
            for address in (me, BOX, NOBODY, "0x" + "0001" * 10):
                asked = slots if address == BOX else []
                cases.append({"root": root, "proof": rpc.call("eth_getProof", address, asked, hex(block))})
                values = [int(rpc.call("eth_getStorageAt", address, s, hex(block)), 16) for s in asked]
                balance = int(rpc.call("eth_getBalance", address, hex(block)), 16)
                nonce = int(rpc.call("eth_getTransactionCount", address, hex(block)), 16)
                wanted.append((nonce, balance, values))
    made = subprocess.run(
        [str(python), str(HERE / "clients" / "check_proof.py")],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr[-4000:]
    proven = json.loads(made.stdout)
    for found, (nonce, balance, values), case in zip(proven, wanted, cases, strict=True):
        account, is_box = found["account"], case["proof"]["address"].lower() == BOX
        if account is None:
            assert (nonce, balance) == (0, 0) and not any(values)
            continue
        assert account[:2] == [nonce, balance]
        assert account[3] == keccak256(bytes.fromhex(CODE[2:]) if is_box else b"").hex()
        assert found["storage"] == values
    assert sum(f["account"] is not None for f in proven) >= 8
    assert any(f["storage"][:3] == [1, 2, 40] and f["storage"][3:] == [0, 0] for f in proven)
