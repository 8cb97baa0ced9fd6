"""What is known of contracts in general: token interfaces, where proxies keep what they run, addresses, calls from text.

Refuses to send and to ask: bytes in, values out. The encoding is abi.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from primitives.errors import DecodeError
from primitives.hashing import keccak256
from wallet import abi
from wallet.abi import Entry


def _entries(*texts: str) -> tuple[Entry, ...]:
    return tuple(abi.parse_signature(text) for text in texts)


ERC20: Final = _entries(
    "name() view returns (string)",
    "symbol() view returns (string)",
    "decimals() view returns (uint8)",
    "totalSupply() view returns (uint256)",
    "balanceOf(address owner) view returns (uint256)",
    "allowance(address owner, address spender) view returns (uint256)",
    "transfer(address to, uint256 value) returns (bool)",
    "approve(address spender, uint256 value) returns (bool)",
    "transferFrom(address from, address to, uint256 value) returns (bool)",
    "event Transfer(address indexed from, address indexed to, uint256 value)",
    "event Approval(address indexed owner, address indexed spender, uint256 value)",
)
"""Fungible tokens (ERC-20)."""
ERC721: Final = _entries(
    "name() view returns (string)",
    "symbol() view returns (string)",
    "tokenURI(uint256 id) view returns (string)",
    "balanceOf(address owner) view returns (uint256)",
    "ownerOf(uint256 id) view returns (address)",
    "getApproved(uint256 id) view returns (address)",
    "isApprovedForAll(address owner, address operator) view returns (bool)",
    "approve(address to, uint256 id)",
    "setApprovalForAll(address operator, bool approved)",
    "transferFrom(address from, address to, uint256 id)",
    "safeTransferFrom(address from, address to, uint256 id)",
    "event Transfer(address indexed from, address indexed to, uint256 indexed id)",
    "event Approval(address indexed owner, address indexed approved, uint256 indexed id)",
    "event ApprovalForAll(address indexed owner, address indexed operator, bool approved)",
)
"""Single tokens, each with an owner (ERC-721)."""
ERC1155: Final = _entries(
    "uri(uint256 id) view returns (string)",
    "balanceOf(address owner, uint256 id) view returns (uint256)",
    "balanceOfBatch(address[] owners, uint256[] ids) view returns (uint256[])",
    "isApprovedForAll(address owner, address operator) view returns (bool)",
    "setApprovalForAll(address operator, bool approved)",
    "safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes data)",
    "safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] values, bytes data)",
    "event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value)",
    "event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values)",
    "event ApprovalForAll(address indexed owner, address indexed operator, bool approved)",
    "event URI(string value, uint256 indexed id)",
)
"""Many kinds of tokens in one contract (ERC-1155)."""
SUPPORTS: Final = abi.parse_signature("supportsInterface(bytes4 id) view returns (bool)")
INTERFACES: Final = {"erc721": bytes.fromhex("80ac58cd"), "erc1155": bytes.fromhex("d9b67a26")}
"""What ERC-165 calls them; ERC-20 is older than that."""
KNOWN: Final = (*ERC20, *ERC721, *ERC1155)
"""Functions and events that need no ABI file."""


# -- calls from text -------------------------------------------------------------------------------------------------


def entry_of(text: str, entries: Sequence[Entry] = (), count: int | None = None, kind: str = "function") -> Entry:
    """The entry that a name or signature means: with brackets it is taken as it stands, unless the ABI knows what it returns;
    a bare name is looked up in the ABI, then among the token interfaces. Raises DecodeError."""
    if "(" in text:
        entry = abi.parse_signature(text if text.split(" ", 1)[0] in ("event", "error") else f"{kind} {text}")
        known = next((e for e in entries if e.kind == kind and e.signature == entry.signature), None)
        return known if known is not None and not entry.outputs else entry
    if entries:
        return abi.find(entries, text, count, kind)
    return abi.find(KNOWN, text, count, kind)


def init_code(code: bytes, arguments: Sequence[object], entries: Sequence[Entry] = (), signature: str = "") -> bytes:
    """What a deployment sends: the code and the constructor's arguments behind it. Raises DecodeError."""
    types: Sequence[str] = ()
    if signature:
        types = [p.type for p in abi.parse_signature(signature).inputs]
    else:
        constructor = next((e for e in entries if e.kind == "constructor"), None)
        if constructor is not None:
            types = [p.type for p in constructor.inputs]
        elif arguments:
            raise DecodeError(
                "the types of the constructor's arguments are not known: give its signature or an ABI file"
            )
    return code + abi.encode(types, arguments)


# -- proxies ---------------------------------------------------------------------------------------------------------


def _slot(name: str, less: int = 1) -> bytes:
    return (int.from_bytes(keccak256(name.encode()), "big") - less).to_bytes(32, "big")


IMPLEMENTATION_SLOT: Final = _slot("eip1967.proxy.implementation")
BEACON_SLOT: Final = _slot("eip1967.proxy.beacon")
ADMIN_SLOT: Final = _slot("eip1967.proxy.admin")
PROXIABLE_SLOT: Final = _slot("PROXIABLE", 0)
ZEPPELIN_SLOT: Final = _slot("org.zeppelinos.proxy.implementation", 0)
SLOTS: Final = {"eip1967": IMPLEMENTATION_SLOT, "eip1822": PROXIABLE_SLOT, "zeppelin": ZEPPELIN_SLOT}
"""Where proxies keep the address of the code that they run, by the proposal that says so."""
BEACON_IMPLEMENTATION: Final = abi.parse_signature("implementation() view returns (address)")
_CLONE_HEAD: Final = bytes.fromhex("363d3d373d3d3d363d73")
_CLONE_TAIL: Final = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_DELEGATION: Final = bytes.fromhex("ef0100")


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a contract runs in place of its own code, and how that was found out."""

    kind: str
    implementation: bytes


def proxy_in_code(code: bytes) -> Proxy | None:
    """A minimal proxy (EIP-1167) or a delegated account (EIP-7702), which name the address in their code."""
    if len(code) == 45 and code.startswith(_CLONE_HEAD) and code.endswith(_CLONE_TAIL):
        return Proxy("eip1167", code[10:30])
    if len(code) == 23 and code.startswith(_DELEGATION):
        return Proxy("eip7702", code[3:])
    return None


def address_in_slot(value: bytes) -> bytes | None:
    """The address that a slot holds; None where it is empty or holds something else."""
    value = value.rjust(32, b"\x00")
    return value[12:] if any(value) and not any(value[:12]) else None
