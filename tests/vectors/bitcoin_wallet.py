"""The wallet's suites of the Bitcoin vectors: keys, mnemonics, descriptors, PSBTs. One callable a case, which raises where it fails.

Refuses to choose, to time or to count: that is the runner's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from primitives import base58, secp256k1
from primitives.address import AddressStyle, wif_decode, wif_encode
from primitives.address import decode as script_of
from primitives.address import encode as address_of
from primitives.bitcoin import Transaction, TxInput, TxOutput, outpoint
from primitives.errors import DecodeError
from primitives.hashing import hash160
from wallet import checksum, descriptors, hd, mnemonic, ordering, psbt, psbt_codec, psbt_roles, scripts, taproot
from wallet.errors import WalletError

MAINNET = AddressStyle(b"\x00", b"\x05", b"\x80", "bc", hd.XPUB, hd.XPRV)
TESTNET = AddressStyle(b"\x6f", b"\xc4", b"\xef", "tb", hd.TPUB, hd.TPRV)
REGTEST = AddressStyle(b"\x6f", b"\xc4", b"\xef", "bcrt", hd.TPUB, hd.TPRV)

Case = tuple[str, Callable[[], None]]
Suite = Callable[[Path], Iterator[Case]]


def load(root: Path, name: str) -> Any:
    """A JSON file of the vectors."""
    return json.loads((root / name).read_text("utf-8"))


def equal(got: object, wanted: object) -> None:
    """Raise AssertionError unless the two are equal."""
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")


def refused(work: Callable[[], object], error: type[Exception] = DecodeError) -> None:
    """Raise AssertionError unless the work raises this error."""
    try:
        got = work()
    except error:
        return
    raise AssertionError(f"accepted: {got!r}")


def bip32(root: Path) -> Iterator[Case]:
    """Derivation from seeds, and keys that must be refused."""

    def valid(case: dict[str, str]) -> None:
        node = hd.ExtendedPrivate.from_seed(bytes.fromhex(case["seed_hex"])).derive(hd.parse_path(case["path"]))
        equal(node.encode(), case["xprv"])
        equal(node.public.encode(), case["xpub"])
        equal(hd.decode(case["xprv"]), (node, hd.XPRV))
        equal(hd.decode(case["xpub"]), (node.public, hd.XPUB))

    for at, case in enumerate(load(root, "hd/bip32_valid.json")):
        yield f"valid/{at} {case['path']}", partial(valid, case)
    for case in load(root, "hd/bip32_invalid.json"):
        yield f"invalid/{case['reason']}/{case['key'][:24]}", partial(refused, partial(hd.decode, case["key"]))


def bip39(root: Path) -> Iterator[Case]:
    """Entropy, phrase, seed and master key, and each word of the list."""

    def phrase(case: dict[str, str]) -> None:
        entropy = bytes.fromhex(case["entropy_hex"])
        equal(mnemonic.from_entropy(entropy), case["mnemonic"])
        equal(mnemonic.to_entropy(case["mnemonic"]), entropy)
        seed = mnemonic.seed(case["mnemonic"], case["passphrase"])
        equal(seed.hex(), case["seed_hex"])
        equal(hd.ExtendedPrivate.from_seed(seed).encode(), case["bip32_xprv"])

    for at, case in enumerate(load(root, "hd/bip39_english.json")):
        yield f"english/{at}", partial(phrase, case)
    for at, word in enumerate((root / "hd/bip39_english_wordlist.txt").read_text("ascii").split()):
        yield f"word/{at}", partial(equal, mnemonic.words()[at], word)


def _master(case: dict[str, str], name: str) -> hd.ExtendedPrivate:
    return hd.ExtendedPrivate.from_seed(mnemonic.seed(case[name]))


def _versions(text: str) -> bytes:
    return base58.check_decode(text.split()[0])[:4]


def bip84(root: Path) -> Iterator[Case]:
    """Native segwit accounts, in SLIP-132's versions."""
    cases = load(root, "hd/bip84.json")
    master = _master(cases[0], "mnemonic")
    account = master.derive(hd.parse_path("m/84'/0'/0'"))

    def keys(node: hd.ExtendedPrivate, private: str, public: str) -> None:
        equal(node.encode(_versions(private)), private)
        equal(node.public.encode(_versions(public)), public)

    def address(case: dict[str, str], path: str) -> None:
        node = account.derive(hd.parse_path(path))
        equal(wif_encode(node.key, True, MAINNET), case["privkey"])
        equal(node.public.key.hex(), case["pubkey"])
        equal(address_of(scripts.p2wpkh(hash160(node.public.key)), MAINNET), case["address"])
        equal(_descriptor_address(f"wpkh({account.encode()}/{path})"), case["address"])

    yield "root", lambda: keys(master, cases[0]["rootpriv"], cases[0]["rootpub"])
    yield "account", lambda: keys(account, cases[1]["xpriv"], cases[1]["xpub"])
    yield "address/0/0", lambda: address(cases[2], "0/0")
    yield "address/0/1", lambda: address(cases[3], "0/1")


def _descriptor_address(text: str, style: AddressStyle = MAINNET) -> str:
    return descriptors.parse(text, style).addresses(style)[0]


def bip49(root: Path) -> Iterator[Case]:
    """Segwit accounts behind a script hash, on testnet."""
    root_case, account_case, key_case, script_case, address_case = load(root, "hd/bip49.json")
    master = _master(root_case, "masterseedWords")
    account = master.derive(hd.parse_path("m/49'/1'/0'"))
    node = account.derive((0, 0))
    inner = scripts.p2wpkh(hash160(node.public.key))

    def check_account() -> None:
        for text, encode in (
            (account_case["account0Xpriv"], account.encode),
            (account_case["account0Xpub"], account.public.encode),
        ):
            equal(encode(_versions(text)), text.split()[0])

    def check_key() -> None:
        equal(wif_encode(node.key, True, TESTNET), key_case["account0recvPrivateKey"])
        equal("0x" + node.key.hex(), key_case["account0recvPrivateKeyHex"])
        equal("0x" + node.public.key.hex(), key_case["account0recvPublicKeyHex"])

    def check_script() -> None:
        equal("0x" + hash160(node.public.key).hex(), script_case["keyhash"])
        equal("0x" + inner.hex(), script_case["scriptSig"])
        equal("0x" + hash160(inner).hex(), script_case["addressBytes"])

    def check_address() -> None:
        wanted = address_case["address"].split()[0]
        equal(address_of(scripts.p2sh(inner), TESTNET), wanted)
        equal(_descriptor_address(f"sh(wpkh({account.encode(hd.TPRV)}/0/0))", TESTNET), wanted)

    yield "root", lambda: equal(master.encode(_versions(root_case["masterseed"])), root_case["masterseed"].split()[0])
    yield "account", check_account
    yield "key", check_key
    yield "script", check_script
    yield "address", check_address


def bip86(root: Path) -> Iterator[Case]:
    """Taproot accounts, key path only."""
    cases = load(root, "hd/bip86.json")
    master = _master(cases[0], "mnemonic")
    account = master.derive(hd.parse_path("m/86'/0'/0'"))

    def keys(node: hd.ExtendedPrivate, private: str, public: str) -> None:
        equal(node.encode(), private)
        equal(node.public.encode(), public)

    def address(case: dict[str, str], path: str) -> None:
        node = account.derive(hd.parse_path(path))
        keys(node, case["xprv"], case["xpub"])
        output = taproot.output(node.public.key[1:])
        equal(output.internal.hex(), case["internal_key"])
        equal(output.key.hex(), case["output_key"])
        equal(output.script.hex(), case["scriptPubKey"])
        equal(secp256k1.public_key(taproot.output_secret(node.key))[1:], output.key)
        equal(_descriptor_address(f"tr({account.encode()}/{path})"), case["address"])

    yield "root", lambda: keys(master, cases[0]["rootpriv"], cases[0]["rootpub"])
    yield "account", lambda: keys(account, cases[1]["xprv"], cases[1]["xpub"])
    for case, path in zip(cases[2:], ("0/0", "0/1", "1/0"), strict=False):
        yield f"address/{path}", partial(address, case, path)


def bip67(root: Path) -> Iterator[Case]:
    """Multisig with sorted keys."""

    def check(case: dict[str, Any]) -> None:
        keys = [bytes.fromhex(key) for key in case["keys"]]
        equal([key.hex() for key in ordering.sort_keys(keys)], case["sorted_keys"])
        script = scripts.multisig(2, ordering.sort_keys(keys))
        equal(script.hex(), case["script"])
        equal(address_of(scripts.p2sh(script), TESTNET), case["address"])
        equal(_descriptor_address(f"sh(sortedmulti(2,{','.join(case['keys'])}))", TESTNET), case["address"])

    for at, case in enumerate(load(root, "script/bip67.json")):
        yield f"keys/{at}", partial(check, case)


def bip69(root: Path) -> Iterator[Case]:
    """The order of inputs and outputs."""

    def inputs(case: dict[str, Any]) -> None:
        points = [outpoint(bytes.fromhex(i["txId"])[::-1], i["vout"]) for i in case["inputs"]]
        equal(ordering.input_order(points), case["expected"])

    def outputs(case: dict[str, Any]) -> None:
        found = [TxOutput(o["value"], bytes.fromhex(o["script"])) for o in case["outputs"]]
        equal(ordering.output_order(found), case["expected"])

    for case in load(root, "wallet/bip69_inputs.json"):
        yield f"inputs/{case['description']}", partial(inputs, case)
    for case in load(root, "wallet/bip69_outputs.json"):
        yield f"outputs/{case['description']}", partial(outputs, case)


def _style(case: dict[str, Any]) -> AddressStyle:
    return {"main": MAINNET, "testnet": TESTNET, "regtest": REGTEST}[case.get("network", "main")]


def descriptors_suite(root: Path) -> Iterator[Case]:
    """Descriptors that parse, that do not, and the addresses they stand for."""

    def valid(case: dict[str, Any]) -> None:
        style = _style(case)
        found = descriptors.parse(case["input"], style)
        equal(found.text(style), case["descriptor"])
        equal(checksum.checksum(checksum.strip(case["input"])), case["checksum"])
        equal((found.is_range, found.is_solvable), (case["isrange"], case["issolvable"]))
        equal(found.has_private, case["hasprivatekeys"])
        again = descriptors.parse(found.text(style, private=True), style)
        equal(again.text(style), case["descriptor"])

    def addresses(case: dict[str, Any]) -> None:
        style = _style(case)
        found = descriptors.parse(case["input"], style)
        if "error" in case:
            return refused(lambda: found.addresses(style))
        first, last = case.get("range", [0, 0])
        got = [address for index in range(first, last + 1) for address in found.addresses(style, index)]
        equal(got, case["addresses"])

    for at, case in enumerate(load(root, "wallet/desc_valid.json")):
        yield f"valid/{at} {case['kind']}", partial(valid, case)
    for at, case in enumerate(load(root, "wallet/desc_invalid.json")):
        yield (
            f"invalid/{at} {case['error'][:60]}",
            partial(refused, partial(descriptors.parse, case["input"], _style(case))),
        )
    for at, case in enumerate(load(root, "wallet/desc_addresses.json")):
        yield f"addresses/{at} {case['kind']}", partial(addresses, case)


def _round_trip(text: str) -> None:
    found = psbt_codec.from_base64(text)
    equal(psbt_codec.to_base64(found), text)
    psbt_roles.analyse(found)


def _sign_fails(text: str, others: list[str], keys: dict[bytes, bytes]) -> None:
    """The signer refuses it. The data set also gives this label to the examples that follow the failing ones in BIP174, where
    one PSBT goes through all roles; of these another PSBT of the set must be what some role makes of it, or it of another."""
    found = psbt_codec.from_base64(text)
    try:
        psbt_roles.sign(found, lambda key: None)
    except WalletError:
        equal(psbt_codec.to_base64(found), text)
        return
    results = {result for other in others for result in _made_of(other, others, keys)}
    if text not in results and not set(others) & set(_made_of(text, others, keys)):
        raise AssertionError("a signer accepts it, and no role makes it of, or makes of it, another PSBT of the set")


def _made_of(text: str, others: list[str], keys: dict[bytes, bytes]) -> Iterator[str]:
    """What the roles make of a PSBT, where that is something else."""

    def changed(change: Callable[[psbt.Psbt], object]) -> Iterator[str]:
        found = psbt_codec.from_base64(text)
        try:
            change(found)
            result = psbt_codec.to_base64(found)
        except WalletError:
            return
        if result != text:
            yield result

    def ask_for_all(found: psbt.Psbt) -> None:
        for i in found.inputs:
            i.data.hash_type = 1

    yield from changed(ask_for_all)
    yield from changed(lambda found: psbt_roles.sign(found, keys.get))
    yield from changed(psbt_roles.finalize)
    found = psbt_codec.from_base64(text)
    bare = psbt_codec.to_base64(psbt_roles.create(found.tx))
    if bare != text:
        yield bare
    for other in others:
        try:
            combined = psbt_codec.to_base64(psbt_roles.combine([found, psbt_codec.from_base64(other)]))
        except WalletError:
            continue
        if combined not in (text, other):
            yield combined


def _create(case: dict[str, Any]) -> None:
    inputs = tuple(TxInput(outpoint(bytes.fromhex(i["txid"])[::-1], i["vout"])) for i in case["inputs"])
    outputs = tuple(
        TxOutput(round(amount * 100_000_000), script_of(address, REGTEST))
        for out in case["outputs"]
        for address, amount in out.items()
    )
    made = psbt_roles.create(Transaction(2, inputs, outputs))
    equal(psbt_codec.to_base64(made), case["result"])


def _secrets(case: dict[str, Any]) -> dict[bytes, bytes]:
    found = (wif_decode(wif, REGTEST) for wif in case["privkeys"])
    return {secp256k1.public_key(secret, compressed): secret for secret, compressed in found}


def _sign(case: dict[str, Any]) -> None:
    secrets = _secrets(case)
    found = psbt_codec.from_base64(case["psbt"])
    try:
        psbt_roles.sign(found, secrets.get, {hash160(key): key for key in secrets}.get)
    except WalletError:  # refused as a whole: Core, too, gives back what it got
        equal(case["psbt"], case["result"])
    equal(psbt_codec.to_base64(found), case["result"])


def _combine(case: dict[str, Any]) -> None:
    combined = psbt_roles.combine([psbt_codec.from_base64(text) for text in case["combine"]])
    equal(psbt_codec.to_base64(combined), case["result"])


def _finalize(case: dict[str, Any]) -> None:
    found = psbt_codec.from_base64(case["finalize"])
    equal(psbt_roles.finalize(found), True)
    equal(psbt_codec.to_base64(found), case["result"])


def _extract(case: dict[str, Any]) -> None:
    equal(psbt_roles.extract(psbt_codec.from_base64(case["extract"])).raw.hex(), case["result"])


def psbt_suite(root: Path) -> Iterator[Case]:
    """Every set of PSBTs: encodings, refusals, and each role."""

    def decodes(text: str) -> partial[None]:
        return partial(refused, partial(psbt_codec.from_base64, text))

    for at, text in enumerate(load(root, "psbt/rpc_psbt_valid.json")):
        yield f"valid/{at}", partial(_round_trip, text)
    for at, text in enumerate(load(root, "psbt/rpc_psbt_invalid.json")):
        yield f"invalid/{at}", decodes(text)
    for at, (text, why) in enumerate(load(root, "psbt/rpc_psbt_invalid_with_msg.json")):
        yield f"invalid_with_msg/{at} {why}", decodes(text)
    for name in ("bip0370", "bip0371"):
        for at, case in enumerate(load(root, f"psbt/{name}.json")):
            check = partial(_round_trip, case["base64"]) if case["valid"] else decodes(case["base64"])
            yield f"{name}/{at} {case['case'][:60]}", check
    labelled = load(root, "psbt/bip174_labelled.json")
    failing = [case["base64"] for case in labelled if case["expect"] == "signer_must_fail"]
    keys = {k: s for case in load(root, "psbt/rpc_psbt_signer.json") for k, s in _secrets(case).items()}
    for at, case in enumerate(labelled):
        kinds = {"valid": partial(_round_trip, case["base64"]), "invalid": decodes(case["base64"])}
        others = [text for text in failing if text != case["base64"]]
        kinds["signer_must_fail"] = partial(_sign_fails, case["base64"], others, keys)
        yield f"bip174/{at} {case['case'][:60]}", kinds[case["expect"]]
    roles = {"creator": _create, "signer": _sign, "combiner": _combine, "finalizer": _finalize, "extractor": _extract}
    for role, run in roles.items():
        for at, case in enumerate(load(root, f"psbt/rpc_psbt_{role}.json")):
            yield f"{role}/{at}", partial(run, case)


SUITES: dict[str, Suite] = {
    "bip32": bip32,
    "bip39": bip39,
    "bip84": bip84,
    "bip49": bip49,
    "bip86": bip86,
    "bip67": bip67,
    "bip69": bip69,
    "descriptors": descriptors_suite,
    "psbt": psbt_suite,
}
