"""docs/clients.md: the methods that real clients call are served, and the table is what its log says."""

from __future__ import annotations

from node.rpc import ethereum_catalogue
from node.rpc.ethereum_dispatch import EthereumRegistry
from tests.scenarios.ethereum.recorded import DONE_WITHOUT, TABLE, USED, calls_of, read_table, with_table

LOG = """2026-01-01T00:00:00Z D rpc: eth_chainId 0.1 ms
2026-01-01T00:00:00Z D rpc: eth_call 0.3 ms, error 3
2026-01-01T00:00:00Z D rpc: eth_none 0.0 ms, error -32601
2026-01-01T00:00:00Z I node: eth_other 0.0 ms
"""


def test_what_clients_call_is_served() -> None:
    served = EthereumRegistry(("ethereum",)).methods
    assert ethereum_catalogue.FILES
    table = read_table(TABLE.read_text())
    assert {name.split()[0] for name in table} >= {"web3.py", "viem", "ethers", "cast", "forge", "Hardhat"}
    assert all(sum(name.startswith(client) for name in table) == 2 for client in ("web3.py", "viem", "ethers"))
    used = {method for calls in table.values() for method, mark in calls.items() if mark == USED}
    assert len(used) > 60 and used <= set(served)


def test_the_table_is_made_from_a_log() -> None:
    calls = calls_of(LOG)
    assert calls == {"eth_chainId": USED, "eth_call": USED, "eth_none": DONE_WITHOUT}
    page = with_table("before\n<!-- calls --><!-- end of calls -->\nafter", {"b 1": calls, "a 2": {"eth_call": USED}})
    assert page.startswith("before\n") and page.endswith("\nafter")
    assert read_table(page) == {"a 2": {"eth_call": USED}, "b 1": calls}
    assert with_table(page, read_table(page)) == page
    assert read_table("no table") == {}
