"""The network group against a stand-in: what is shown of peers, and what orders reach the network."""

from __future__ import annotations

from decimal import Decimal

from chains.bitcoin import SIGNET
from tests.node.rpc.harness import Client


def test_peers(client: Client) -> None:
    first, second = client.call("getpeerinfo")
    assert (first["id"], first["addr"], first["inbound"], first["connection_type"]) == (
        1,
        "127.0.0.1:5000",
        True,
        "inbound",
    )
    assert first["pingtime"] == Decimal("0.25") and "pingtime" not in second
    assert second["servicesnames"] == ["NETWORK", "UNKNOWN[2^33]"] and second["services"] == "0000000200000001"
    assert first["bytessent_per_msg"] == {"ping": 32} and first["minfeefilter"] == 0
    assert client.call("getconnectioncount") == 2
    assert client.call("ping") is None and client.peers.pings == 1


def test_network_info(client: Client) -> None:
    info = client.call("getnetworkinfo")
    assert list(info) == [
        "version", "subversion", "protocolversion", "localservices", "localservicesnames", "localrelay", "timeoffset", "networkactive",
        "connections", "connections_in", "connections_out", "networks", "relayfee", "incrementalfee", "localaddresses", "warnings",
    ]  # fmt: skip
    assert (info["connections"], info["connections_in"], info["connections_out"]) == (2, 1, 1)
    assert info["localservicesnames"] == ["NETWORK", "WITNESS", "NETWORK_LIMITED"]
    assert info["relayfee"] == Decimal("0.00001") and info["localaddresses"][0]["port"] == 18444
    assert [n["name"] for n in info["networks"] if n["reachable"]] == ["ipv4", "ipv6"]
    assert client.call("setnetworkactive", False) is False
    assert client.call("getnetworkinfo")["networkactive"] is False
    assert client.error("setnetworkactive", "no")[0] == -3


def test_own_peers(client: Client) -> None:
    assert client.call("addnode", "1.2.3.4", "add") is None
    assert client.error("addnode", "1.2.3.4", "add") == (-23, "Error: Node already added")
    client.call("addnode", "5.6.7.8", "add")
    client.call("addnode", "9.9.9.9", "onetry")
    assert client.peers.tried == ["9.9.9.9"]
    rows = client.call("getaddednodeinfo")
    assert rows[0] == {
        "addednode": "1.2.3.4", "connected": True, "addresses": [{"address": "1.2.3.4:8333", "connected": "outbound"}],
    }  # fmt: skip
    assert client.call("getaddednodeinfo", "5.6.7.8") == [{"addednode": "5.6.7.8", "connected": False, "addresses": []}]
    assert client.error("getaddednodeinfo", "no") == (-24, "Error: Node has not been added.")
    client.call("addnode", "1.2.3.4", "remove")
    assert client.error("addnode", "1.2.3.4", "remove")[0] == -24
    assert client.error("addnode", "1.2.3.4", "dance")[0] == -1
    assert client.error("addnode", "a b", "add")[0] == -8
    assert client.error("addnode", "1.2.3.4", "add", True)[0] == -8


def test_disconnecting(client: Client) -> None:
    assert client.error("disconnectnode") == (-32602, "Only one of address and nodeid should be provided.")
    assert client.error("disconnectnode", "1.2.3.4:8333", 2)[0] == -32602
    assert client.error("disconnectnode", "7.7.7.7:1") == (-29, "Node not found in connected nodes")
    assert client.call("disconnectnode", "1.2.3.4:8333") is None
    assert client.call("disconnectnode", "", 1) is None
    assert client.error("disconnectnode", nodeid=1)[0] == -29
    assert client.call("getpeerinfo") == []


def test_bans(client: Client) -> None:
    client.call("setmocktime", 1500)
    assert client.call("setban", "10.0.0.1", "add") is None
    client.call("setban", "10.1.0.0/16", "add", 100)
    client.call("setban", "10.2.0.0/16", "add", 1700, True)
    rows = client.call("listbanned")
    assert [(r["address"], r["ban_duration"]) for r in rows] == [
        ("10.0.0.1/32", 86400),
        ("10.1.0.0/16", 100),
        ("10.2.0.0/16", 200),
    ]
    assert rows[0]["time_remaining"] == 1000 + 86400 - 1500
    assert client.error("setban", "10.1.0.0/16", "add") == (-23, "Error: IP/Subnet already banned")
    assert client.error("setban", "10.3.0.0/16", "add", 1400, True)[0] == -8
    assert client.error("setban", "nowhere", "add") == (-30, "Error: Invalid IP/Subnet")
    assert client.error("setban", "10.9.0.0/16", "remove")[0] == -30
    assert client.error("setban", "10.1.0.0/16", "forgive")[0] == -1
    client.call("setban", "10.1.0.0/16", "remove")
    assert len(client.call("listbanned")) == 2
    client.call("clearbanned")
    assert client.call("listbanned") == []


def test_traffic_and_addresses(client: Client) -> None:
    totals = client.call("getnettotals")
    assert (totals["totalbytesrecv"], totals["totalbytessent"]) == (100, 200)
    assert totals["uploadtarget"]["serve_historical_blocks"] is True
    assert client.call("addpeeraddress", "1.2.3.4", 8333) == {"success": True}
    client.call("addpeeraddress", "::1", 1, True)
    assert client.error("addpeeraddress", "host", 1) == (-30, "Invalid IP address")
    assert client.error("addpeeraddress", "1.2.3.4", 70000)[0] == -1
    assert len(client.call("getnodeaddresses", 0)) == 2
    assert len(client.call("getnodeaddresses")) == 1
    (row,) = client.call("getnodeaddresses", 0, "ipv6")
    assert row == {"time": 1, "services": 1, "address": "::1", "port": 1, "network": "ipv6"}
    assert client.error("getnodeaddresses", -1) == (-8, "Address count out of range")
    assert client.error("getnodeaddresses", 1, "carrier pigeon") == (-8, "Network not recognized: carrier pigeon")


def test_partitions_are_for_local_networks(client: Client) -> None:
    client.call("setpeerfilter", ["node2"])
    assert client.peers.filter == ["node2"]
    public = Client(SIGNET)
    try:
        assert public.error("setpeerfilter", [])[0] == -1
        assert public.error("setmocktime", 5)[0] == -1
        assert public.call("getblockchaininfo")["initialblockdownload"] is True
        assert public.error("getblocktemplate", {"rules": ["segwit", "signet"]})[0] == -10
        public.peers.connected.clear()
        assert public.error("getblocktemplate", {"rules": ["segwit", "signet"]}) == (-9, "Chainyard is not connected!")
        assert public.call("getblockchaininfo")["signet_challenge"].startswith("5121")
        assert public.call("estimatesmartfee", 6)["errors"] == ["Insufficient data or no feerate found"]
    finally:
        public.close()
