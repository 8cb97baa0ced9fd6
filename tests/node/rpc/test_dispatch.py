"""JSON-RPC as such: versions, ids, notifications, batches, broken JSON, HTTP status, warm-up, whitelists, named parameters."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from node.rpc.dispatch import Call, Limits
from node.rpc.errors import RpcError
from node.rpc.params import coerce, parse_amount
from node.rpc.registry import Registry, rpc
from tests.node.rpc.harness import Client

PARSE = {"result": None, "error": {"code": -32700, "message": "Parse error"}, "id": None}


def test_version_one(client: Client) -> None:
    assert client.post({"method": "getblockcount", "params": [], "id": "x"}) == (
        {"result": 0, "error": None, "id": "x"},
        200,
    )
    assert client.post({"method": "getblockcount"}) == ({"result": 0, "error": None, "id": None}, 200)
    reply, status = client.post({"method": "getblockhash", "params": [5], "id": 1})
    assert status == 500 and reply == {
        "result": None,
        "error": {"code": -8, "message": "Block height out of range"},
        "id": 1,
    }
    reply, status = client.post({"method": "nope", "id": 1})
    assert status == 404 and reply["error"]["code"] == -32601
    reply, status = client.post({"id": 1})
    assert status == 400 and reply["error"] == {"code": -32600, "message": "Missing method"}
    assert client.post({"version": "1.1", "method": "getblockcount", "params": [], "id": 1})[1] == 200


def test_version_two(client: Client) -> None:
    two = {"jsonrpc": "2.0"}
    assert client.post({**two, "method": "getblockcount", "id": 7}) == ({**two, "result": 0, "id": 7}, 200)
    reply, status = client.post({**two, "method": "getblockhash", "params": {"height": 9}, "id": None})
    assert status == 200 and reply == {**two, "error": {"code": -8, "message": "Block height out of range"}, "id": None}
    assert client.post({**two, "method": "nope", "id": 1})[1] == 200
    assert client.post({**two, "method": "getblockcount"}) == (None, 204)
    assert client.post({**two, "method": "nope"}) == (None, 204)
    for version in ("3.0", 2, None):
        reply, status = client.post({"jsonrpc": version, "method": "getblockcount", "id": 1})
        assert status == 400 and reply["error"]["code"] == -32600


@pytest.mark.parametrize("request_", [1, "text", None, True, 1.5])
def test_what_is_no_request(client: Client, request_: Any) -> None:
    reply, status = client.post(orjson.dumps(request_))
    assert status == 400 and reply["error"] == {"code": -32600, "message": "Invalid Request object"}


@pytest.mark.parametrize(
    "request_",
    [
        {"method": 1},
        {"method": None},
        {"method": ["getblockcount"]},
        {"method": "getblockcount", "params": 1},
        {"method": "getblockcount", "params": "[]"},
    ],
)
def test_requests_of_wrong_shape(client: Client, request_: Any) -> None:
    reply, status = client.post({**request_, "id": 3})
    assert status == 400 and reply["error"]["code"] == -32600 and reply["id"] == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"NaN",
        b"Infinity",
        b"\xff\xfe",
        b'"\\ud800"',
        b'{"method":"echo","params":[1e400',
        b'{"method":"echo",}',
        b"\x00",
        b'{"method": "getblockcount"} trailing',
    ],
)
def test_broken_json_is_a_parse_error(client: Client, body: bytes) -> None:
    assert client.post(body) == (PARSE, 500)
    assert client.call("getblockcount") == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"method":"getblockhash","params":[1e400],"id":1}',
        b'{"method":"getblockhash","params":[' + b"9" * 6000 + b'],"id":1}',
        b'{"method":"getblockhash","params":[-' + b"9" * 30 + b'],"id":1}',
        b'{"method":"getblockhash","params":[0.5],"id":1}',
        b'{"method":"getblockhash","params":[NaN],"id":1}',
        b'{"method":"getblockhash","method":"getblockcount","params":["x"],"id":1}',
        b'{"method":"get\\u0000block","id":1}',
    ],
)
def test_strange_numbers_and_names_are_errors(client: Client, body: bytes) -> None:
    reply, _ = client.post(body)
    assert reply["error"]["code"] in (-1, -3, -8, -32700, -32601) and "internal" not in reply["error"]["message"]


def test_batches(client: Client) -> None:
    two = {"jsonrpc": "2.0"}
    replies, status = client.post(
        [
            {"method": "getblockcount", "id": 1},
            {**two, "method": "getblockcount"},
            5,
            {**two, "method": "nope", "id": 2},
            {**two, "method": "getblockhash", "params": [0], "id": 3},
        ]
    )
    assert status == 200
    assert [r["id"] for r in replies] == [1, None, 2, 3]
    assert replies[1]["error"]["code"] == -32600 and replies[2]["error"]["code"] == -32601
    assert replies[3]["result"] == client.call("getbestblockhash")
    assert client.post([{**two, "method": "getblockcount"}] * 3) == (None, 204)
    for batch in ([], [{"method": "getblockcount", "id": 1}] * 1001):
        reply, status = client.post(batch)
        assert reply["error"]["code"] == -32600
    replies, _ = client.post([{"method": "getblockcount", "id": n} for n in range(1000)])
    assert [r["id"] for r in replies] == list(range(1000))


def test_a_batch_stops_at_the_answer_limit(client: Client) -> None:
    client.dispatcher.limits = Limits(batch_bytes=10_000)
    replies, _ = client.post([{"method": "help", "id": n} for n in range(20)])
    assert len(replies) == 20
    errors = [r for r in replies if r.get("error")]
    assert errors and all(r["error"] == {"code": -32003, "message": "response too large"} for r in errors)


def test_names_and_positions(client: Client) -> None:
    assert client.call("getblockhash", height=0) == client.call("getblockhash", args=[0])
    assert client.error("getblockhash", 0, height=0) == (
        -8,
        "Parameter height specified twice both as positional and named argument",
    )
    assert client.error("getblockhash", height=0, depth=1) == (-8, "Unknown named parameter depth")
    assert client.error("getblockhash", args=5) == (-8, "Parameter args must be an array")
    assert client.call("getblockhash", *[0]) == client.call("getbestblockhash")
    assert client.call("help", None).startswith("== ")


def test_warming_up(client: Client) -> None:
    client.dispatcher.warmup = "Loading the chain"
    reply, status = client.post({"method": "getblockcount", "id": 1})
    assert status == 500 and reply["error"] == {"code": -28, "message": "Loading the chain"}


def test_a_whitelist_forbids(client: Client) -> None:
    client.dispatcher.allowed = lambda user, method: method == "getblockcount"
    assert client.call("getblockcount") == 0
    reply, status = client.post({"method": "stop", "id": 1})
    assert status == 403 and "may not call" in reply["error"]["message"]
    assert client.control.stopped is False


def test_calls_are_reported(client: Client) -> None:
    seen: list[tuple[str, int | None]] = []
    client.dispatcher.on_call = lambda _call, name, _seconds, error: seen.append((name, error and error.code))
    client.call("getblockcount")
    client.error("getblockhash", 9)
    client.error("nope")
    assert seen == [("getblockcount", None), ("getblockhash", -8), ("nope", -32601)]
    assert client.dispatcher.active == {}


def test_calls_do_not_wait_for_each_other(client: Client) -> None:
    async def scenario() -> None:
        slow = asyncio.create_task(client.acall("waitforblockheight", 1, 60_000))
        await asyncio.sleep(0)
        assert await client.acall("getblockcount") == 0
        active = (await client.acall("getrpcinfo"))["active_commands"]
        assert [row["method"] for row in active] == ["waitforblockheight", "getrpcinfo"]
        slow.cancel()

    client.run(scenario())


def test_our_own_fault_is_an_internal_error_without_details(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    method = client.dispatcher.registry.methods["getblockcount"]

    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    faulty = type(method)(method.name, "", "", "light", broken, {}, False)
    monkeypatch.setitem(client.dispatcher.registry.methods, "getblockcount", faulty)
    code, message = client.error("getblockcount")
    assert code == -32603 and "secret" not in message


def test_a_name_is_registered_once() -> None:
    with pytest.raises(RuntimeError, match="registered twice"):
        rpc("getblockcount", family="bitcoin", group="x")(lambda: None)
    assert "getblockcount" not in Registry(("other",)).methods


@pytest.mark.parametrize(
    ("value", "satoshi"),
    [
        (1, 10**8),
        ("0.00000001", 1),
        (0.1, 10**7),
        (1e-8, 1),
        ("1e-8", 1),
        (21_000_000, 21 * 10**14),
        (20999999.9769, 2099999997690000),
    ],
)
def test_amounts(value: Any, satoshi: int) -> None:
    assert parse_amount(value) == satoshi


@pytest.mark.parametrize(
    "value", ["", " 1", "1 ", "1_0", "0x1", "1.", ".5", "NaN", "Infinity", "1e", "٣", "1" * 100, None, [], True, "1e-9"]
)
def test_what_is_no_amount(value: Any) -> None:
    with pytest.raises(RpcError) as e:
        parse_amount(value)
    assert e.value.code == -3


def test_a_union_says_the_most_useful_thing() -> None:
    assert coerce(None, int | None, "x") is None
    assert coerce("a", int | str, "x") == "a"
    with pytest.raises(RpcError, match="of expected type number"):
        coerce([], int | str, "x")


def test_requests_from_a_wallet_path_keep_their_name(client: Client) -> None:
    async def scenario() -> bytes:
        body = orjson.dumps({"method": "getblockcount", "id": 1})
        answer, _ = await client.dispatcher.answer(body, Call("user", "savings"))
        return answer

    assert orjson.loads(client.run(scenario()))["result"] == 0
