"""cast and forge, unchanged, against a process: verbs, exit codes and what they decode."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.ethereum.recorded import check_calls
from tests.scenarios.ethereum.tools import NPM, Running, compiled, dev_node, foundry, npm_folder

pytestmark = pytest.mark.scenario

A = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
B = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def cast(node: Running, *arguments: str, fails: bool = False) -> str:
    """Run a verb; what it prints."""
    made = subprocess.run(
        [str(foundry("cast")), *arguments],
        env={**os.environ, "ETH_RPC_URL": node.url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert bool(made.returncode) is fails, made.stdout + made.stderr
    return (made.stderr if fails else made.stdout).strip()


def test_cast(tmp_path: Path) -> None:
    contracts = json.loads(compiled(npm_folder()).read_text())
    with dev_node(tmp_path) as node:
        key = ("--private-key", node.keys[0])
        assert cast(node, "chain-id") == "31337"
        assert cast(node, "balance", A, "--ether").startswith("10000")
        sent = json.loads(cast(node, "send", B, "--value", "1ether", *key, "--json"))
        assert sent["status"] == "0x1"
        assert cast(node, "receipt", sent["transactionHash"], "gasUsed") == "21000"
        assert B.lower() in cast(node, "tx", sent["transactionHash"]).lower()
        made = json.loads(cast(node, "send", *key, "--json", "--create", contracts["Token"]["bytecode"]))
        token = made["contractAddress"]
        assert cast(node, "call", token, "symbol()(string)") == '"YRD"'
        assert "not today" in cast(node, "call", token, "refuse()", fails=True)
        cast(node, "send", token, "transfer(address,uint256)", B, "5", *key)
        logs = json.loads(cast(node, "logs", "--from-block", "0", "--address", token, "--json"))
        assert len(logs) == 2
        assert cast(node, "block-number") == "3"
        assert json.loads(cast(node, "block", "latest", "--json"))["number"] == "0x3"
        assert int(cast(node, "estimate", B, "--value", "1")) == 21_000
        assert cast(node, "nonce", A) == "3"
        assert cast(node, "storage", token, "2").startswith("0x")
        assert "accountProof" in cast(node, "proof", token, "0x2")
        assert "access list" in cast(node, "access-list", token, "symbol()")
        trace = cast(node, "run", json.loads(cast(node, "logs", "--from-block", "3", "--json"))[0]["transactionHash"])
        assert "Transfer" in trace or "transfer" in trace
        assert cast(node, "rpc", "evm_snapshot") == '"0x1"'
        assert cast(node, "rpc", "anvil_setBalance", B, "0x5")
        assert cast(node, "balance", B) == "5"
    check_calls(f"cast {NPM['@foundry-rs/cast']}", node.log, 15)


def test_forge_creates_a_contract(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "foundry.toml").write_text('[profile.default]\nsrc = "src"\nout = "out"\n')
    (project / "src" / "One.sol").write_text(
        "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
        "contract One { uint256 public one = 1; function set(uint256 to) external { one = to; } }\n"
    )
    solc = tmp_path / "solc"
    modules = npm_folder() / "node_modules"
    with dev_node(tmp_path) as node:
        wrapper = tmp_path / "solc.cjs"
        wrapper.write_text(_SOLC)
        solc.write_text(f'#!/bin/sh\nNODE_PATH="{modules}" exec node "{wrapper}" "$@"\n')
        solc.chmod(0o755)
        command = [str(foundry("forge")), "create", "src/One.sol:One", "--rpc-url", node.url, "--broadcast"]
        command += ["--private-key", node.keys[0], "--use", str(solc), "--root", str(project)]
        made = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stdout + made.stderr
        where = next(line.split()[-1] for line in made.stdout.splitlines() if line.startswith("Deployed to"))
        calls = node.log.read_text()
        assert cast(node, "call", where, "one()(uint256)") == "1"
    own = tmp_path / "forge.log"
    own.write_text(calls)
    check_calls(f"forge {NPM['@foundry-rs/forge']}", own, 5)


_SOLC = """// The two things that forge asks of a compiler: its version, and standard JSON.
const solc = require("solc");
if (process.argv.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface\\nVersion: " + solc.version().replace(".Emscripten.clang", ".Linux.g++"));
} else {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
}
"""
