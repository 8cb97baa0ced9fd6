"""Addresses and exported keys: what people copy, to and from what chains store.

Refuses to know any network: an AddressStyle is passed in. A script without an address is None, a bad text a DecodeError.
"""

from dataclasses import dataclass
from typing import Final

from primitives import base58, bech32
from primitives.errors import DecodeError
from primitives.hashing import keccak256
from primitives.secp256k1 import is_secret


@dataclass(frozen=True, slots=True)
class AddressStyle:
    """The prefixes by which a network's addresses and keys differ from another's."""

    p2pkh: bytes
    p2sh: bytes
    wif: bytes
    hrp: str
    bip32_public: bytes
    bip32_private: bytes


def p2pkh_script(key_hash: bytes) -> bytes:
    """DUP HASH160 <20 bytes> EQUALVERIFY CHECKSIG."""
    return b"\x76\xa9\x14" + key_hash + b"\x88\xac"


def p2sh_script(script_hash: bytes) -> bytes:
    """HASH160 <20 bytes> EQUAL (BIP16)."""
    return b"\xa9\x14" + script_hash + b"\x87"


def witness_script(version: int, program: bytes) -> bytes:
    """The version as a number opcode, then a push of the program (BIP141)."""
    return bytes((0x50 + version if version else 0, len(program))) + program


def witness_program(script: bytes) -> tuple[int, bytes] | None:
    """The version and program of a script in witness form (BIP141), else None."""
    if not 4 <= len(script) <= 42 or script[1] != len(script) - 2 or not (script[0] == 0 or 0x51 <= script[0] <= 0x60):
        return None
    return (script[0] - 0x50 if script[0] else 0), script[2:]


def encode(script: bytes, style: AddressStyle) -> str | None:
    """The address of an output script; None where it has none."""
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return base58.check_encode(style.p2pkh + script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return base58.check_encode(style.p2sh + script[2:22])
    found = witness_program(script)
    if found is None or (found[0] == 0 and len(found[1]) not in (20, 32)):
        return None
    return bech32.program_encode(style.hrp, *found)


def decode(address: str, style: AddressStyle) -> bytes:
    """The output script that an address stands for.

    Raises DecodeError for a bad checksum, a wrong size, and an address of another network.
    """
    if address.lower().startswith(style.hrp + "1"):
        hrp, version, program = bech32.program_decode(address)
        if hrp != style.hrp:
            raise DecodeError(f"the address is of another network: it begins with {hrp}1, not {style.hrp}1")
        return witness_script(version, program)
    try:
        data = base58.check_decode(address)
    except DecodeError as error:
        raise _other_network(address, style) or error from None
    for prefix, script in ((style.p2pkh, p2pkh_script), (style.p2sh, p2sh_script)):
        if data.startswith(prefix):
            if len(data) != len(prefix) + 20:
                raise DecodeError(f"the address holds {len(data) - len(prefix)} bytes, not 20")
            return script(data[len(prefix) :])
    raise DecodeError("the address is of another network, or no address")


def _other_network(address: str, style: AddressStyle) -> DecodeError | None:
    try:
        hrp = bech32.program_decode(address)[0]
    except DecodeError:
        return None
    return DecodeError(f"the address is of another network: it begins with {hrp}1, not {style.hrp}1")


def wif_encode(secret: bytes, compressed: bool, style: AddressStyle) -> str:
    """Writes a secret key in wallet import format; `compressed` says which form of its public key it is used with."""
    return base58.check_encode(style.wif + secret + (b"\x01" if compressed else b""))


def wif_decode(text: str, style: AddressStyle) -> tuple[bytes, bool]:
    """Reads a secret key, and whether its public key is compressed. Raises DecodeError; the message never holds the key."""
    data = base58.check_decode(text)
    if not data.startswith(style.wif):
        raise DecodeError("the key is of another network, or no key")
    secret = data[len(style.wif) :]
    compressed = len(secret) == 33 and secret[32] == 1
    if len(secret) != 32 and not compressed:
        raise DecodeError("the key has a wrong size")
    if not is_secret(secret[:32]):
        raise DecodeError("the secret key is out of range")
    return secret[:32], compressed


ACCOUNT_SIZE: Final = 20


def account_encode(address: bytes) -> str:
    """Writes an account's address in hex, with the checksum in the case of its letters (EIP-55)."""
    if len(address) != ACCOUNT_SIZE:
        raise ValueError(f"an account's address is 20 bytes, not {len(address)}")
    text = address.hex()
    return "0x" + "".join(
        c.upper() if nibble > "7" else c for c, nibble in zip(text, keccak256(text.encode()).hex(), strict=False)
    )


def account_decode(text: str) -> bytes:
    """Reads an account's address: 0x and 40 hex digits, all in one case or with the right checksum (EIP-55).

    Raises DecodeError.
    """
    digits = text[2:]
    if text[:2] not in ("0x", "0X") or len(digits) != 40 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise DecodeError("an account's address is 0x and 40 hex digits")
    address = bytes.fromhex(digits)
    if digits not in (digits.lower(), digits.upper()) and digits != account_encode(address)[2:]:
        raise DecodeError("bad checksum in the case of the address's letters")
    return address
