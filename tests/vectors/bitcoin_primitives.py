"""The suites of the Bitcoin vectors that need nothing but primitives/: addresses, signatures, merkle trees.

Refuses to choose, to time or to count: that is the runner's part. One callable a case, which raises where it fails.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from primitives import address, base58, bech32, merkle, secp256k1, secp256k1_twin
from primitives.address import AddressStyle
from primitives.errors import DecodeError
from primitives.hashing import sha256
from vm.script.signatures import is_strict_der

Case = tuple[str, Callable[[], None]]
Suite = Callable[[Path], Iterator[Case]]

MAIN = AddressStyle(b"\x00", b"\x05", b"\x80", "bc", bytes.fromhex("0488b21e"), bytes.fromhex("0488ade4"))
TEST = AddressStyle(b"\x6f", b"\xc4", b"\xef", "tb", bytes.fromhex("043587cf"), bytes.fromhex("04358394"))
REGTEST = AddressStyle(b"\x6f", b"\xc4", b"\xef", "bcrt", bytes.fromhex("043587cf"), bytes.fromhex("04358394"))
STYLES = {"main": MAIN, "test": TEST, "testnet4": TEST, "signet": TEST, "regtest": REGTEST}


def load(root: Path, name: str) -> Any:
    """A JSON file of the vectors."""
    return json.loads((root / name).read_text("utf-8"))


def equal(got: object, wanted: object) -> None:
    """Raise AssertionError unless the two are equal."""
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")


def refused(call: Callable[[], object]) -> None:
    """Raise AssertionError unless the call raises DecodeError."""
    try:
        got = call()
    except DecodeError:
        return
    raise AssertionError(f"accepted: {got!r}")


def bound(check: Callable[..., None], *args: Any) -> Callable[[], None]:
    """The check of one case, its arguments kept."""
    return lambda: check(*args)


def base58_pairs(root: Path) -> Iterator[Case]:
    """Bytes to Base58 and back."""

    def both(data: str, text: str) -> None:
        equal(base58.encode(bytes.fromhex(data)), text)
        equal(base58.decode(text), bytes.fromhex(data))

    for at, (data, text) in enumerate(load(root, "addr/base58_encode_decode.json")):
        yield f"{at} {text[:24]}", bound(both, data, text)


def key_io(root: Path) -> Iterator[Case]:
    """Addresses and exported keys: the right ones on their own chain, the wrong ones on none."""

    def key(text: str, secret: str, compressed: bool, style: AddressStyle) -> None:
        equal(address.wif_decode(text, style), (bytes.fromhex(secret), compressed))
        equal(address.wif_encode(bytes.fromhex(secret), compressed, style), text)
        refused(lambda: address.decode(text, style))

    def script(text: str, wanted: str, flips: bool, style: AddressStyle) -> None:
        equal(address.decode(text, style).hex(), wanted)
        equal(address.encode(bytes.fromhex(wanted), style), text)
        refused(lambda: address.wif_decode(text, style))
        flipped = text.swapcase()
        if flips:
            equal(address.decode(flipped, style).hex(), wanted)
        else:
            refused(lambda: address.decode(flipped, style))
        if style is MAIN:
            refused(lambda: address.decode(text, TEST))

    def invalid(text: str) -> None:
        for style in STYLES.values():
            for reader in (address.decode, address.wif_decode):
                refused(bound(lambda reader, style: reader(text, style), reader, style))

    for at, (text, data, about) in enumerate(load(root, "addr/key_io_valid.json")):
        style = STYLES[about["chain"]]
        if about["isPrivkey"]:
            yield f"valid/{at} key of {about['chain']}", bound(key, text, data, about["isCompressed"], style)
        else:
            yield f"valid/{at} {text[:24]}", bound(script, text, data, about.get("tryCaseFlip", False), style)
    for at, (text,) in enumerate(load(root, "addr/key_io_invalid.json")):
        yield f"invalid/{at} {text[:24]}", bound(invalid, text)


def bech32_texts(root: Path) -> Iterator[Case]:
    """Bech32 and Bech32m: plain texts, and witness programs as addresses."""

    def valid(text: str, variant: bech32.Variant) -> None:
        found = bech32.decode(text)
        equal(found.variant, variant)
        equal(bech32.encode(found.hrp, found.values, variant), text.lower())

    def invalid(text: str, variant: bech32.Variant) -> None:
        try:
            found = bech32.decode(text)
        except DecodeError:
            return
        if found.variant is variant:
            raise AssertionError(f"accepted: {found}")

    def program(text: str, script: str, variant: bech32.Variant) -> None:
        style = MAIN if text.lower().startswith("bc1") else TEST
        found = bech32.decode(text)
        equal(found.variant, variant if found.values[0] else bech32.Variant.BECH32)
        equal(address.witness_script(found.values[0], bech32.regroup(found.values[1:], 5, 8, pad=False)).hex(), script)
        if variant is bech32.Variant.BECH32 and found.values[0]:  # BIP173 had them so; BIP350 forbids them since
            refused(lambda: address.decode(text, style))
            return
        equal(address.decode(text, style).hex(), script)
        equal(address.encode(bytes.fromhex(script), style), text.lower())

    def no_program(text: str) -> None:
        refused(lambda: address.decode(text, MAIN))
        refused(lambda: address.decode(text, TEST))

    for name, variant in (("bech32", bech32.Variant.BECH32), ("bech32m", bech32.Variant.BECH32M)):
        for at, text in enumerate(load(root, f"addr/{name}_valid.json")):
            yield f"{name}_valid/{at}", bound(valid, text, variant)
        for at, case in enumerate(load(root, f"addr/{name}_invalid.json")):
            yield f"{name}_invalid/{at} {case['reason']}", bound(invalid, case["string"], variant)
        for at, case in enumerate(load(root, f"addr/{name}_addr_valid.json")):
            yield f"{name}_addr_valid/{at}", bound(program, case["address"], case["script_hex"], variant)
        for at, case in enumerate(load(root, f"addr/{name}_addr_invalid.json")):
            yield f"{name}_addr_invalid/{at} {case['reason']}", bound(no_program, case["address"])


def bip340(root: Path) -> Iterator[Case]:
    """Schnorr signatures: made where a secret is given, judged in any case, by the library and by its twin."""

    def check(case: dict[str, str]) -> None:
        field = {
            name: bytes.fromhex(case[name]) for name in ("secret key", "public key", "aux_rand", "message", "signature")
        }
        if field["secret key"]:
            secret, aux = field["secret key"], field["aux_rand"]
            equal(secp256k1.public_key(secret)[1:], field["public key"])
            equal(secp256k1.sign_schnorr(secret, field["message"], aux), field["signature"])
            equal(secp256k1_twin.sign_schnorr(secret, field["message"], aux), field["signature"])
        wanted = case["verification result"] == "TRUE"
        for verify in (secp256k1.verify_schnorr, secp256k1_twin.verify_schnorr):
            equal(verify(field["public key"], field["signature"], field["message"]), wanted)

    for case in load(root, "sig/bip340.json"):
        yield f"{case['index']} {case['comment']}".strip(), bound(check, case)


def wycheproof(root: Path) -> Iterator[Case]:
    """ECDSA signatures made to deceive: strict DER, low s and a true equation, all three, or none is valid."""

    def check(case: dict[str, Any]) -> None:
        public, signature = bytes.fromhex(case["pubkey_hex"]), bytes.fromhex(case["sig_der_hex"])
        digest = sha256(bytes.fromhex(case["msg_hex"]))
        holds = secp256k1.verify(public, signature, digest)
        equal(is_strict_der(signature + b"\x01") and secp256k1.is_low_s(signature) and holds, case["result"] == "valid")
        compact = secp256k1.der_to_compact(signature)
        if compact is not None:
            r, s = compact[:32], int.from_bytes(compact[32:], "big")
            low = r + min(s, secp256k1.N - s).to_bytes(32, "big")
            equal(secp256k1_twin.verify(public, low, digest), holds)

    for case in load(root, "sig/wycheproof_ecdsa_bitcoin.json"):
        yield f"{case['tcId']} {case['comment']}", bound(check, case)


def rfc6979(root: Path) -> Iterator[Case]:
    """Deterministic nonces: the signature, and the nonce that its r betrays."""

    def check(case: dict[str, str]) -> None:
        secret, digest = bytes.fromhex(case["privkey_hex"]), hashlib.sha256(case["msg_utf8"].encode()).digest()
        signature = secp256k1.sign(secret, digest)
        equal(signature.hex(), case["der_sig_hex"])
        compact = secp256k1.sign_compact(secret, digest)
        equal(secp256k1_twin.sign(secret, digest, None), compact)
        nonce = secp256k1.public_key(bytes.fromhex(case["nonce_hex"]))
        equal(int.from_bytes(nonce[1:], "big") % secp256k1.N, int.from_bytes(compact[:32], "big"))
        equal(secp256k1.verify(secp256k1.public_key(secret), signature, digest), True)

    for at, case in enumerate(load(root, "sig/rfc6979_secp256k1.json")):
        yield f"{at} {case['msg_utf8'][:24]}", bound(check, case)


def merkle_trees(root: Path) -> Iterator[Case]:
    """Real blocks' trees, and the longer lists of the same root, which must be known for what they are."""

    def check(case: dict[str, Any]) -> None:
        txids, mutated = ([bytes.fromhex(txid)[::-1] for txid in case[name]] for name in ("txids", "mutated_txids"))
        wanted = bytes.fromhex(case["merkle_root"])[::-1]
        equal(merkle.root_and_mutated(txids), (wanted, False))
        equal(merkle.root_and_mutated(mutated), (wanted, True))
        for index, txid in enumerate(txids):
            equal(merkle.verify(txid, merkle.branch(txids, index), index, wanted), True)

    for case in load(root, "merkle/cve_2012_2459.json"):
        yield f"{case['network']}-{case['height']}", bound(check, case)


SUITES: dict[str, Suite] = {
    "base58": base58_pairs,
    "key_io": key_io,
    "bech32": bech32_texts,
    "bip340": bip340,
    "wycheproof": wycheproof,
    "rfc6979": rfc6979,
    "merkle": merkle_trees,
}
