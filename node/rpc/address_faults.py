"""Why a text is no address, in Bitcoin Core's words (key_io.cpp, DecodeDestination). It decodes nothing that address.py would accept."""

from __future__ import annotations

from primitives import base58, bech32
from primitives.address import AddressStyle
from primitives.errors import DecodeError

UNSUPPORTED = "Invalid or unsupported Segwit (Bech32) or Base58 encoding."
BASE58_CHECKSUM = "Invalid checksum or length of Base58 address (P2PKH or P2SH)"


def address_fault(text: str, style: AddressStyle) -> tuple[str, list[int]]:
    """The message, and the places of characters that cannot be right."""
    if text[: len(style.hrp)].lower() != style.hrp:
        return _base58_fault(text, style), []
    try:
        found = bech32.decode(text)
    except DecodeError:
        return _bech32_fault(text)
    return _program_fault(found, style), []


def _base58_fault(text: str, style: AddressStyle) -> str:
    try:
        data = base58.check_decode(text)
    except DecodeError:
        try:
            base58.decode(text[:100])
        except DecodeError:
            return UNSUPPORTED
        return BASE58_CHECKSUM if text else UNSUPPORTED
    if len(data) > 21:
        return BASE58_CHECKSUM
    if data.startswith((style.p2pkh, style.p2sh)):
        return "Invalid length for Base58 address (P2PKH or P2SH)"
    return "Invalid or unsupported Base58-encoded address."


def _bech32_fault(text: str) -> tuple[str, list[int]]:
    if len(text) > bech32.LONGEST:
        return "Bech32 string too long", list(range(bech32.LONGEST, min(len(text), bech32.LONGEST + 1_000)))
    strange = [at for at, character in enumerate(text) if not 33 <= ord(character) <= 126]
    if strange:
        return "Invalid character or mixed case", strange
    if text not in (text.lower(), text.upper()):
        lower = any(c.islower() for c in text.partition("1")[0])
        return "Invalid character or mixed case", [
            at for at, c in enumerate(text) if (c.isupper() if lower else c.islower())
        ]
    hrp, one, data = text.lower().rpartition("1")
    if not one:
        return "Missing separator", []
    if not hrp or len(data) < 6:
        return "Invalid separator position", [len(hrp)]
    wrong = [at + len(hrp) + 1 for at, character in enumerate(data) if character not in bech32.CHARSET]
    return ("Invalid Base 32 character", wrong) if wrong else ("Invalid Bech32 checksum", [])


def _program_fault(found: bech32.Bech32, style: AddressStyle) -> str:
    if not found.values:
        return "Empty Bech32 data section"
    if found.hrp != style.hrp:
        expected = f"(expected {style.hrp}, got {found.hrp})"
        return f"Invalid or unsupported prefix for Segwit (Bech32) address {expected}."
    version = found.values[0]
    if version == 0 and found.variant is not bech32.Variant.BECH32:
        return "Version 0 witness address must use Bech32 checksum"
    if version != 0 and found.variant is not bech32.Variant.BECH32M:
        return "Version 1+ witness address must use Bech32m checksum"
    try:
        program = bech32.regroup(found.values[1:], 5, 8, pad=False)
    except DecodeError:
        return "Invalid padding in Bech32 data section"
    size = f"({len(program)} {'byte' if len(program) == 1 else 'bytes'})"
    if version == 0:
        return f"Invalid Bech32 v0 address program size {size}, per BIP141"
    if version > 16:
        return "Invalid Bech32 address witness version"
    return f"Invalid Bech32 address program size {size}"
