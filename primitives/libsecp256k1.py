"""The curve by libsecp256k1, through the binding that coincurve carries. Lengths are checked by the caller, secp256k1.py.

Refuses to know DER. Calls release the interpreter lock and share nothing that is written to, so any thread may make them.
"""

from functools import lru_cache
from typing import Any, Final

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

NAME: Final = "libsecp256k1"
_STATIC: Final = lib.secp256k1_context_static
_SIGNING: Final = GLOBAL_CONTEXT.ctx  # blinded against side channels; results do not depend on the blinding
_PUBKEY: Final = ffi.typeof("secp256k1_pubkey *")
_XONLY: Final = ffi.typeof("secp256k1_xonly_pubkey *")
_KEYPAIR: Final = ffi.typeof("secp256k1_keypair *")
_SIGNATURE: Final = ffi.typeof("secp256k1_ecdsa_signature *")
_RECOVERABLE: Final = ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_CACHED_KEYS: Final = 4096  # a block pays the same keys again and again; parsing one costs an eighth of a verification


@lru_cache(maxsize=_CACHED_KEYS)
def _parse(public: bytes) -> Any:
    key = ffi.new(_PUBKEY)
    return key if lib.secp256k1_ec_pubkey_parse(_STATIC, key, public, len(public)) else None


@lru_cache(maxsize=_CACHED_KEYS)
def _parse_xonly(public: bytes) -> Any:
    key = ffi.new(_XONLY)
    return key if lib.secp256k1_xonly_pubkey_parse(_STATIC, key, public) else None


def _write(key: Any, compressed: bool) -> bytes:
    out, size = ffi.new("unsigned char[65]"), ffi.new("size_t *", 65)
    form = lib.SECP256K1_EC_COMPRESSED if compressed else lib.SECP256K1_EC_UNCOMPRESSED
    lib.secp256k1_ec_pubkey_serialize(_STATIC, out, size, key, form)
    return bytes(ffi.buffer(out, size[0]))


def _keypair(secret: bytes) -> Any:
    pair = ffi.new(_KEYPAIR)
    return pair if lib.secp256k1_keypair_create(_SIGNING, pair, secret) else None


def is_secret(secret: bytes) -> bool:
    return bool(lib.secp256k1_ec_seckey_verify(_STATIC, secret))


def create(secret: bytes, compressed: bool) -> bytes | None:
    key = ffi.new(_PUBKEY)
    return _write(key, compressed) if lib.secp256k1_ec_pubkey_create(_SIGNING, key, secret) else None


def serialize(public: bytes, compressed: bool) -> bytes | None:
    key = _parse(public)
    return None if key is None else _write(key, compressed)


def is_xonly(public: bytes) -> bool:
    return _parse_xonly(public) is not None


def verify(public: bytes, compact: bytes, digest: bytes) -> bool:
    key = _parse(public)
    if key is None:
        return False
    signature = ffi.new(_SIGNATURE)
    if not lib.secp256k1_ecdsa_signature_parse_compact(_STATIC, signature, compact):
        return False
    return bool(lib.secp256k1_ecdsa_verify(_STATIC, signature, digest, key))


def sign(secret: bytes, digest: bytes, extra: bytes | None) -> bytes | None:
    signature, out = ffi.new(_SIGNATURE), ffi.new("unsigned char[64]")
    if not lib.secp256k1_ecdsa_sign(_SIGNING, signature, digest, secret, ffi.NULL, extra or ffi.NULL):
        return None
    lib.secp256k1_ecdsa_signature_serialize_compact(_STATIC, out, signature)
    return bytes(ffi.buffer(out))


def sign_recoverable(secret: bytes, digest: bytes) -> tuple[bytes, int] | None:
    signature, out, parity = ffi.new(_RECOVERABLE), ffi.new("unsigned char[64]"), ffi.new("int *")
    if not lib.secp256k1_ecdsa_sign_recoverable(_SIGNING, signature, digest, secret, ffi.NULL, ffi.NULL):
        return None
    lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(_STATIC, out, parity, signature)
    return bytes(ffi.buffer(out)), parity[0]


def recover(compact: bytes, parity: int, digest: bytes) -> bytes | None:
    signature, key = ffi.new(_RECOVERABLE), ffi.new(_PUBKEY)
    if not lib.secp256k1_ecdsa_recoverable_signature_parse_compact(_STATIC, signature, compact, parity):
        return None
    return _write(key, False) if lib.secp256k1_ecdsa_recover(_STATIC, key, signature, digest) else None


def verify_schnorr(public: bytes, signature: bytes, message: bytes) -> bool:
    key = _parse_xonly(public)
    return key is not None and bool(lib.secp256k1_schnorrsig_verify(_STATIC, signature, message, len(message), key))


def sign_schnorr(secret: bytes, message: bytes, aux: bytes) -> bytes | None:
    pair, out = _keypair(secret), ffi.new("unsigned char[64]")
    if pair is None:
        return None
    extra = ffi.new("unsigned char[]", aux)
    params = ffi.new("secp256k1_schnorrsig_extraparams *")
    params.magic = b"\xda\x6f\xb3\x8c"  # SECP256K1_SCHNORRSIG_EXTRAPARAMS_MAGIC
    params.ndata = extra
    done = lib.secp256k1_schnorrsig_sign_custom(_SIGNING, out, message, len(message), pair, params)
    return bytes(ffi.buffer(out)) if done else None


def tweak_xonly(public: bytes, tweak: bytes) -> tuple[bytes, int] | None:
    internal, key = _parse_xonly(public), ffi.new(_PUBKEY)
    if internal is None or not lib.secp256k1_xonly_pubkey_tweak_add(_STATIC, key, internal, tweak):
        return None
    written = _write(key, True)
    return written[1:], written[0] & 1


def is_tweaked_xonly(output: bytes, parity: int, public: bytes, tweak: bytes) -> bool:
    internal = _parse_xonly(public)
    if internal is None:
        return False
    return bool(lib.secp256k1_xonly_pubkey_tweak_add_check(_STATIC, output, parity, internal, tweak))


def tweak_secret_xonly(secret: bytes, tweak: bytes) -> bytes | None:
    pair, out = _keypair(secret), ffi.new("unsigned char[32]")
    if pair is None or not lib.secp256k1_keypair_xonly_tweak_add(_STATIC, pair, tweak):
        return None
    lib.secp256k1_keypair_sec(_STATIC, out, pair)
    return bytes(ffi.buffer(out))


def tweak_secret(secret: bytes, tweak: bytes) -> bytes | None:
    out = ffi.new("unsigned char[32]", secret)
    return bytes(ffi.buffer(out)) if lib.secp256k1_ec_seckey_tweak_add(_STATIC, out, tweak) else None


def tweak_public(public: bytes, tweak: bytes, compressed: bool) -> bytes | None:
    parsed = _parse(public)
    if parsed is None:
        return None
    key = ffi.new(_PUBKEY, parsed[0])
    return _write(key, compressed) if lib.secp256k1_ec_pubkey_tweak_add(_STATIC, key, tweak) else None


def combine(publics: list[bytes], compressed: bool) -> bytes | None:
    keys = [_parse(public) for public in publics]
    if None in keys:
        return None
    total = ffi.new(_PUBKEY)
    done = lib.secp256k1_ec_pubkey_combine(_STATIC, total, ffi.new("secp256k1_pubkey *[]", keys), len(keys))
    return _write(total, compressed) if done else None
