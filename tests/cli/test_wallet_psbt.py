"""`chainyard wallet psbt` without a node: made, told, signed by owners apart, combined, finished, and what is refused."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from chains.catalogue import load
from primitives.address import encode, wif_encode
from primitives.bitcoin import Transaction, TxInput, TxOutput, read_transaction
from primitives.buffer import Reader
from tests.cli.conftest import Run
from vm.script.flags import STANDARD
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input
from wallet import descriptors, hd, mnemonic, psbt_codec, psbt_roles, psbt_updating
from wallet.psbt import Psbt

STYLE = load("regtest").addresses
WORDS = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
MASTER = hd.ExtendedPrivate.from_seed(mnemonic.seed(WORDS))
OTHER = hd.ExtendedPrivate.from_seed(bytes(range(32)))
WIF = wif_encode(b"\x07" * 32, True, STYLE)
TARGET = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
COIN = "aa" * 32 + ":1"


def account(root: hd.ExtendedPrivate, path: str, private: bool = False) -> str:
    """A key expression with its origin."""
    node = root.derive(hd.parse_path(path))
    key = node.encode(STYLE.bip32_private) if private else node.public.encode(STYLE.bip32_public)
    return f"[{root.fingerprint.hex()}/{path}]{key}/0/*"


SINGLE = "wpkh(" + account(MASTER, "84h/1h/0h") + ")"
TAPROOT = "tr(" + account(MASTER, "86h/1h/0h") + ")"
OLD = "pkh(" + account(MASTER, "44h/1h/0h") + ")"
SHARED = f"wsh(sortedmulti(2,{account(MASTER, '48h/1h/0h')},{account(OTHER, '48h/1h/0h')},{WIF}))"


def funded(text: str, path: Path) -> tuple[Path, TxOutput]:
    """A PSBT that spends the script of a descriptor at index 3, told all by its public form, in a file."""
    descriptor = descriptors.parse(text, STYLE)
    expansion = descriptor.expand(3)[0]
    coin = TxOutput(100_000, expansion.script)
    before = Transaction(2, (TxInput(b"\x11" * 36),), (TxOutput(1, b""), coin))
    point = before.id + (1).to_bytes(4, "little")
    tx = Transaction(2, (TxInput(point, b"", 0xFFFFFFFD),), (TxOutput(99_000, expansion.script),))
    psbt = psbt_roles.create(tx)
    psbt_updating.update(psbt, {point: coin}, {before.id: before}, {expansion.script: expansion}.get)
    path.write_bytes(psbt_codec.encode(psbt))
    return path, coin


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """What standard input holds."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode() + b"\n")))


def checked(raw: str, coin: TxOutput) -> Transaction:
    """The transaction, whose only input the script interpreter accepts."""
    tx = read_transaction(Reader(bytes.fromhex(raw)))
    verify_input(SpendContext(tx, [coin]), 0, STANDARD)
    return tx


def parsed(found: Any) -> Psbt:
    return psbt_codec.from_base64(found.json["psbt"])


def test_create_lays_out_what_is_named(run: Run) -> None:
    made = parsed(run("wallet", "psbt", "create", TARGET, "1000sat", "--coin", COIN, "--data", "beef", "--json"))
    assert [o.value for o in made.outputs] == [1000, 0] and made.outputs[1].script == b"\x6a\x02\xbe\xef"
    assert encode(made.outputs[0].script, STYLE) == TARGET
    assert made.inputs[0].point == b"\xaa" * 32 + b"\x01\0\0\0" and made.inputs[0].sequence == 0xFFFFFFFD
    newer = parsed(run("wallet", "psbt", "create", TARGET, "1000sat", "--coin", COIN, "--v2", "--no-replace", "--json"))
    assert newer.version == 2 and newer.inputs[0].sequence == 0xFFFFFFFF
    assert run("wallet", "psbt", "create", TARGET, "0.5ppc", "--chain", "regtest").code == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("create", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "1btc"), "Bitcoin's main network"),
        (("create", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt08q", "1btc"), "checksum"),
        (("create", TARGET, "1"), "no unit"),
        (("create", TARGET), "each address needs an amount"),
        (("create",), "nothing to put together"),
        (("create", "--coin", "12:3"), "TXID:VOUT"),
        (("create", "--coin", COIN, "--coin", COIN), "twice"),
        (("create", "--data", "xy"), "hexadecimal"),
        (("decode", "not base64!"), "neither base64"),
        (("decode", "cHNidP8="), "byte wanted"),
        (("analyse", "nofile.psbt"), "neither base64"),
        (("convert", "cHNidP8="), "--to"),
        (("update", "cHNidP8BAA==", "--descriptor", f"wpkh({WIF})"), "seen by others"),
        (("decode", "cHNidP8=", "--chain", "nowhere"), "nowhere"),
    ],
)  # fmt: skip
def test_what_is_refused(run: Run, words: tuple[str, ...], why: str) -> None:
    found = run("wallet", "psbt", *words)
    assert found.code == 2 and why.lower() in found.err.lower(), found.err
    assert len(found.err.strip().splitlines()) == 1 and found.out == ""


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (SINGLE, [WORDS]),
        (TAPROOT, [WORDS]),
        (OLD, [WORDS]),
        (SINGLE, [account(MASTER, "84h/1h/0h", private=True).removesuffix("/0/*")]),
        (SINGLE, [f"wpkh({account(MASTER, '84h/1h/0h', private=True)})"]),
        (f"tr({WIF})", [WIF]),
        (f"sh(wpkh({WIF}))", [WIF]),
        (f"pkh({WIF})", [WIF]),
        (SHARED, [WORDS, WIF]),
    ],
)
def test_signing_apart_from_every_node(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, keys: list[str]
) -> None:
    path, coin = funded(text, tmp_path / "a.psbt")
    typed(monkeypatch, *keys)
    done = tmp_path / "signed.psbt"
    signed = run("wallet", "psbt", "sign", path, "--keys-stdin", "--yes", "--out", done, "--json")
    assert signed.code == 0 and signed.json["complete"] is True, signed.err
    raw = run("wallet", "psbt", "extract", done, "--json").json
    assert checked(raw["hex"], coin).id[::-1].hex() == raw["txid"]


def test_owners_sign_apart_and_combine(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, coin = funded(SHARED, tmp_path / "a.psbt")
    assert "signatures of 3 key(s)" in run("wallet", "psbt", "analyse", path).out
    parts = []
    for name, key in (("one", WORDS), ("two", OTHER.encode(STYLE.bip32_private))):
        typed(monkeypatch, key)
        part = run("wallet", "psbt", "sign", path, "--keys-stdin", "--yes", "--json")
        assert part.json["complete"] is False
        parts.append(tmp_path / name)
        parts[-1].write_text(part.json["psbt"])
        assert "not complete" in run("wallet", "psbt", "extract", parts[-1]).err
    whole = run("wallet", "psbt", "combine", *parts, "--out", tmp_path / "whole", "--json")
    assert whole.code == 0 and "next: finalizer" in whole.err
    final = run("wallet", "psbt", "finalize", tmp_path / "whole", "--json")
    assert final.json["complete"] is True
    checked(run("wallet", "psbt", "extract", final.json["psbt"]).out.strip(), coin)
    again = run("wallet", "psbt", "convert", parts[0], "--to", "2", "--json")
    assert parsed(again).version == 2 and parsed(again).tx.id == psbt_codec.decode(path.read_bytes()).tx.id
    text = run("wallet", "psbt", "decode", parts[0]).out
    assert "spends" in text and "0.001 btc" in text and "fee 0.00001 btc" in text
    fields = run("wallet", "psbt", "decode", parts[0], "--json").json
    assert len(fields["inputs"][0]["partial_signatures"]) == 1 and fields["fee"] == 0.00001


def test_keys_that_do_not_belong_and_questions_that_nobody_answers(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, _ = funded(SINGLE, tmp_path / "a.psbt")
    typed(monkeypatch, "zoo " * 11 + "wrong")
    wrong = run("wallet", "psbt", "sign", path, "--keys-stdin", "--yes")
    assert wrong.code == 1 and "sign nothing" in wrong.err
    for line in (
        "zoo " * 12,
        "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu",
        TARGET,
    ):
        typed(monkeypatch, line)
        bad = run("wallet", "psbt", "sign", path, "--keys-stdin", "--yes")
        assert bad.code == 2 and line not in bad.err
    typed(monkeypatch, WORDS)
    asked = run("wallet", "psbt", "sign", path, "--keys-stdin")
    assert asked.code == 2 and "nothing was signed" in asked.err and "pays" in asked.err
    both = run("wallet", "psbt", "sign", "-", "--keys-stdin", "--yes")
    assert both.code == 2 and "both" in both.err


def test_a_descriptor_tells_a_psbt_what_its_scripts_want(run: Run, tmp_path: Path) -> None:
    path, _ = funded(SINGLE, tmp_path / "a.psbt")
    bare = psbt_codec.decode(path.read_bytes())
    bare.inputs[0].origins = {}
    told = run("wallet", "psbt", "update", psbt_codec.to_base64(bare), "--descriptor", SINGLE, "--offline", "--json")
    assert parsed(told).inputs[0].origins == psbt_codec.decode(path.read_bytes()).inputs[0].origins


def test_joining_and_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, _ = funded(SINGLE, tmp_path / "a.psbt")
    second, _ = funded(OLD, tmp_path / "b.psbt")
    joined = run("wallet", "psbt", "join", first, second, "--json")
    assert len(parsed(joined).inputs) == 2
    assert "exists in multiple" in run("wallet", "psbt", "join", first, first).err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(first.read_bytes())))
    assert run("wallet", "psbt", "analyse", "-", "--json").json["next"] == "signer"
