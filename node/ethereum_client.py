"""A client of an Ethereum-style RPC: plain calls, and the AccountSource of wallets that live outside of the node.

It knows no wallet and no command; errors come back as the server's own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from node.client import Endpoint, RpcClient
from node.rpc.errors import RpcError
from primitives.address import account_encode
from primitives.errors import Refused
from primitives.ethereum_tx import Authorization, EthereumTransaction
from wallet import spend_account
from wallet.spend_account import Call, Fees

DEFAULT_URL = "http://127.0.0.1:8545"
HISTORY_BLOCKS = 10
PERCENTILE = 50


class Reverted(Refused):
    """A call that would fail, with the bytes that it gave as its reason."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__("execution-reverted", message)
        self.data = data


def number(value: int) -> str:
    """A number as the RPC writes it."""
    return hex(value)


def hexed(data: bytes) -> str:
    """Bytes as the RPC writes them."""
    return "0x" + data.hex()


def unhexed(text: Any) -> bytes:
    """Bytes from an answer."""
    return bytes.fromhex(text[2:]) if text else b""


def call_object(sender: bytes | None, call: Call) -> dict[str, Any]:
    """A call as eth_call and eth_estimateGas take it."""
    found: dict[str, Any] = {"value": number(call.value), "data": hexed(call.data)}
    if sender is not None:
        found["from"] = account_encode(sender)
    if call.to is not None:
        found["to"] = account_encode(call.to)
    if call.access_list:
        found["accessList"] = [
            {"address": account_encode(address), "storageKeys": [hexed(key) for key in keys]}
            for address, keys in call.access_list
        ]
    if call.blob_hashes:
        found["blobVersionedHashes"] = [hexed(digest) for digest in call.blob_hashes]
    if call.authorizations:
        found["authorizationList"] = [authorization_json(one) for one in call.authorizations]
    return found


def authorization_json(one: Authorization) -> dict[str, Any]:
    """An authorization as the RPC writes it (EIP-7702)."""
    return {
        "chainId": number(one.chain_id),
        "address": account_encode(one.address),
        "nonce": number(one.nonce),
        "yParity": number(one.y_parity),
        "r": number(one.r),
        "s": number(one.s),
    }


class EthereumClient:
    """Calls methods of one server."""

    def __init__(self, url: str = DEFAULT_URL, timeout: float = 600.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("an RPC url is http://host:port")
        self.url = url
        self._rpc = RpcClient(Endpoint(parts.hostname, parts.port or 80), timeout=timeout)
        self._rpc.path = parts.path or "/"

    def call(self, method: str, *params: Any) -> Any:
        """The result of a method. Raises RpcError, NoConnection."""
        return self._rpc.call(method, *params)

    def close(self) -> None:
        """Close the connection."""
        self._rpc.close()


def revert_of(error: RpcError) -> bytes | None:
    """The bytes of a revert that an error tells of; None where it is another error."""
    data = error.data
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        return unhexed(data)
    return b"" if "revert" in error.message else None


class EthereumSource:
    """The AccountSource over a client."""

    def __init__(self, client: EthereumClient, chain_id: int | None = None) -> None:
        self.client = client
        self._chain_id = chain_id

    def chain_id(self) -> int:
        """The chain id of EIP-155, asked once."""
        if self._chain_id is None:
            self._chain_id = int(self.client.call("eth_chainId"), 16)
        return self._chain_id

    def _count(self, account: bytes, block: str) -> int:
        return int(self.client.call("eth_getTransactionCount", account_encode(account), block), 16)

    def pending_nonce(self, account: bytes) -> int:
        """How many transactions an account has sent, those of the mempool included."""
        return self._count(account, "pending")

    def mined_nonce(self, account: bytes) -> int:
        """How many transactions of an account are mined."""
        return self._count(account, "latest")

    def balance(self, account: bytes) -> int:
        """Wei at the tip."""
        return int(self.client.call("eth_getBalance", account_encode(account), "latest"), 16)

    def fees(self) -> Fees:
        """What to offer now, from the last blocks; before EIP-1559 the gas price."""
        found = self.client.call("eth_feeHistory", number(HISTORY_BLOCKS), "latest", [PERCENTILE])
        base = [int(value, 16) for value in found.get("baseFeePerGas") or ()]
        if not any(base):
            price = int(self.client.call("eth_gasPrice"), 16)
            return Fees(price, price)
        tips = [[int(value, 16) for value in block] for block in found.get("reward") or () if block]
        blob = [int(value, 16) for value in found.get("baseFeePerBlobGas") or ()]
        used = [tip for tip in tips if any(tip)]
        return spend_account.suggest(base, used, blob)

    def estimate_gas(self, sender: bytes, call: Call) -> int:
        """The gas that a call takes. Raises Reverted, or Refused with the server's reason."""
        try:
            return int(self.client.call("eth_estimateGas", call_object(sender, call)), 16)
        except RpcError as e:
            raise refusal(e) from None

    def submit(self, tx: EthereumTransaction) -> None:
        """Hand a transaction to the mempool; one that is known already is no error. Raises Refused."""
        try:
            self.client.call("eth_sendRawTransaction", hexed(tx.network))
        except RpcError as e:
            if "already known" not in e.message:
                raise refusal(e) from None


def refusal(error: RpcError) -> Refused:
    """A server's error as the reason why a transaction is not taken."""
    data = revert_of(error)
    return Refused(error.message) if data is None else Reverted(error.message, data)
