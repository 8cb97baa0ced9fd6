"""Transactions of the account kind, their nonces, contract calls and typed data."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import DecodeError, Refused
from primitives.ethereum_tx import (
    ACCESS_LIST,
    BLOB,
    DYNAMIC_FEE,
    LEGACY,
    SET_CODE,
    EthereumTransaction,
    authorize,
    decode_transaction,
)
from tests.wallet.world import Chain, World, make, reopen
from wallet import abi, keystore, messages, spend_account, typed_data
from wallet.accounts import Accounts
from wallet.cipher import Scrypt
from wallet.errors import WalletError
from wallet.spend_account import Call, Fees, Nonces

SECRET = bytes.fromhex("4646464646464646464646464646464646464646464646464646464646464646")
SENDER = keystore.address_of(SECRET)
TO = bytes.fromhex("3535353535353535353535353535353535353535")
FAST_KEYSTORE = Scrypt(n=2048, r=8, p=1)
FEES = Fees(10**9, 30 * 10**9, 5)


def test_the_example_of_eip155() -> None:
    tx = spend_account.build(Call(TO, 10**18), 9, 21_000, Fees(0, 20 * 10**9), 1, LEGACY)
    signed = spend_account.sign_checked(tx, SECRET)
    assert signed.raw.hex() == (
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe"
        "537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )


@pytest.mark.parametrize(
    ("call", "kind", "wanted"),
    [
        (Call(TO, 1), None, DYNAMIC_FEE),
        (Call(None, 0, b"\x60\x00"), None, DYNAMIC_FEE),
        (Call(TO, 1), LEGACY, LEGACY),
        (Call(TO, 1, access_list=((TO, (bytes(32),)),)), ACCESS_LIST, ACCESS_LIST),
        (Call(TO, 1, blob_hashes=(b"\x01" + bytes(31),)), None, BLOB),
        (Call(TO, 1, authorizations=(authorize(SECRET, 1, TO, 3),)), None, SET_CODE),
    ],
)
def test_every_type_is_signed_and_leads_back_to_its_sender(call: Call, kind: int | None, wanted: int) -> None:
    signed = spend_account.sign_checked(spend_account.build(call, 7, 100_000, FEES, 1, kind), SECRET)
    assert signed.kind == wanted
    again = decode_transaction(signed.raw)
    assert again == signed and again.sender == SENDER


@pytest.mark.parametrize(
    ("call", "fees", "kind", "chain"),
    [
        (Call(TO, 1), Fees(2, 1), DYNAMIC_FEE, 1),
        (Call(TO, 1), Fees(0, 10**15), DYNAMIC_FEE, 1),
        (Call(TO, 1), FEES, BLOB, 1),
        (Call(TO, 1, blob_hashes=(bytes(32),)), FEES, DYNAMIC_FEE, 1),
        (Call(None, 1, blob_hashes=(bytes(32),)), FEES, BLOB, 1),
        (Call(TO, 1), FEES, DYNAMIC_FEE, None),
        (Call(TO, 1, access_list=((TO, ()),)), FEES, LEGACY, 1),
        (Call(TO, -1), FEES, LEGACY, 1),
        (Call(TO, 1 << 256), FEES, LEGACY, 1),
    ],
)
def test_what_no_node_would_take_is_refused(call: Call, fees: Fees, kind: int, chain: int | None) -> None:
    with pytest.raises(WalletError):
        spend_account.build(call, 0, 21_000, fees, chain, kind)


def test_replacement_and_cancellation_offer_enough() -> None:
    tx = spend_account.sign_checked(spend_account.build(Call(TO, 5, b"data"), 3, 50_000, FEES, 1), SECRET)
    least = spend_account.replacement_fees(tx)
    assert least.tip_cap * 100 >= FEES.tip_cap * 110 and least.fee_cap * 100 >= FEES.fee_cap * 110
    faster = spend_account.sign_checked(spend_account.replace_fees(tx, least), SECRET)
    assert (faster.nonce, faster.to, faster.value, faster.data) == (3, TO, 5, b"data") and faster.sender == SENDER
    gone = spend_account.sign_checked(spend_account.cancel(tx, SENDER), SECRET)
    assert (gone.nonce, gone.to, gone.value, gone.data) == (3, SENDER, 0, b"") and gone.tip_cap > tx.tip_cap


def test_fees_are_suggested_from_history() -> None:
    fees = spend_account.suggest([100, 110, 120], [[3], [9], [5]], [7, 8])
    assert fees == Fees(5, 245, 16)
    with pytest.raises(WalletError):
        spend_account.suggest([], [])


def test_contract_addresses() -> None:
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert spend_account.create_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert spend_account.create_address(sender, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"
    deployer = bytes.fromhex("deadbeef00000000000000000000000000000000")
    found = spend_account.create2_address(deployer, bytes(32), b"\x00")
    assert found.hex() == "b928f69bb1d91cd65274e3c79d8986362984fda3"  # EIP-1014, example 2


def test_a_hundred_concurrent_sends_use_every_nonce_once() -> None:
    nonces = Nonces()
    pool: list[int] = []
    errors: list[Exception] = []

    def send(n: int) -> None:
        try:
            with nonces.take(SENDER, 5 + len(pool)) as nonce:
                if n % 7 == 0:
                    raise ConnectionError("the node refused")
                pool.append(nonce)
        except ConnectionError as e:
            errors.append(e)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 15
    assert sorted(pool) == list(range(5, 5 + 85))
    nonces.forget(SENDER)
    with nonces.take(SENDER, 2) as nonce:
        assert nonce == 2


# Contract calls.


def test_calls_from_signatures() -> None:
    entry = abi.parse_signature("transfer(address,uint256)(bool)")
    assert entry.selector.hex() == "a9059cbb"
    data = entry.encode(["0x" + TO.hex(), "1_000"])
    assert data.hex() == "a9059cbb" + TO.hex().rjust(64, "0") + hex(1000)[2:].rjust(64, "0")
    assert entry.decode_result((1).to_bytes(32, "big")) == (True,)
    same = abi.parse_signature("function transfer(address to, uint amount) external returns (bool ok)")
    assert same.selector == entry.selector and same.outputs[0].type == "bool" and same.inputs[0].name == "to"


@pytest.mark.parametrize(
    ("signature", "arguments", "text"),
    [
        ("f(uint256[])", ["[1, 2,3]"], [[1, 2, 3]]),
        ("f((uint256,string)[],bytes)", ["[(1,'a b'),(2,c)]", "0x0102"], [[(1, "a b"), (2, "c")], b"\x01\x02"]),
        ("f(bool,int8,bytes4)", ["true", "-5", "0x01020304"], [True, -5, b"\x01\x02\x03\x04"]),
        ("f(uint8[2][])", ["[[1,2],[3,4]]"], [[[1, 2], [3, 4]]]),
        ("f()", [], []),
    ],
)
def test_arguments_come_from_text(signature: str, arguments: list[str], text: list[object]) -> None:
    entry = abi.parse_signature(signature)
    data = entry.encode(arguments)
    assert list(abi.decode([p.type for p in entry.inputs], data[4:])) == text


@pytest.mark.parametrize(
    ("signature", "arguments"),
    [
        ("f(uint8)", ["256"]),
        ("f(uint8)", ["-1"]),
        ("f(uint8)", ["one"]),
        ("f(uint8)", []),
        ("f(address)", ["0x1234"]),
        ("f(address)", ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"]),
        ("f(bytes4)", ["0x0102030405"]),
        ("f(bytes)", ["0x0"]),
        ("f(bool)", ["maybe"]),
        ("f(uint8[2])", ["[1]"]),
        ("f((uint8,uint8))", ["(1)"]),
        ("f(uint7)", ["1"]),
        ("f(nonsense)", ["1"]),
    ],
)
def test_arguments_that_do_not_fit_are_refused(signature: str, arguments: list[str]) -> None:
    with pytest.raises(DecodeError):
        abi.parse_signature(signature).encode(arguments)


@pytest.mark.parametrize("text", ["", "transfer", "transfer(", "transfer(a b c)", "(((", "f(uint256))", "f)uint256("])
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        abi.parse_signature(text)


TOKEN = """[
 {"type":"constructor","inputs":[{"name":"supply","type":"uint256"}]},
 {"type":"function","name":"balanceOf","inputs":[{"name":"who","type":"address"}],"outputs":[{"type":"uint256"}],
  "stateMutability":"view"},
 {"type":"function","name":"mint","inputs":[{"name":"to","type":"address"}],"outputs":[]},
 {"type":"function","name":"mint","inputs":[{"name":"to","type":"address"},{"name":"n","type":"uint256"}],"outputs":[]},
 {"type":"function","name":"place","inputs":[{"name":"o","type":"tuple[]","components":[{"name":"a","type":"address"},
  {"name":"b","type":"tuple","components":[{"name":"c","type":"uint8"}]}]}],"outputs":[]},
 {"type":"event","name":"Transfer","inputs":[{"name":"from","type":"address","indexed":true},
  {"name":"to","type":"address","indexed":true},{"name":"value","type":"uint256"}]},
 {"type":"error","name":"TooPoor","inputs":[{"name":"have","type":"uint256"},{"name":"want","type":"uint256"}]}
]"""


def test_abi_files() -> None:
    entries = abi.parse_abi(TOKEN)
    assert abi.find(entries, "balanceOf").selector.hex() == "70a08231"
    assert abi.find(entries, "mint", 2).signature == "mint(address,uint256)"
    assert abi.find(entries, "mint(address)").signature == "mint(address)"
    assert abi.find(entries, "place").signature == "place((address,(uint8))[])"
    for name in ("mint", "burn"):
        with pytest.raises(DecodeError):
            abi.find(entries, name)
    assert abi.parse_abi('{"abi": []}') == []
    for junk in ("", "{}", "[1]", "[" * 100_000, '[{"type":"function","inputs":[{}]}]'):
        with pytest.raises(DecodeError):
            abi.parse_abi(junk)


def test_events_and_reverts_are_decoded() -> None:
    entries = abi.parse_abi(TOKEN)
    event = abi.find(entries, "Transfer", kind="event")
    topics = [event.topic, TO.rjust(32, b"\0"), SENDER.rjust(32, b"\0")]
    found = abi.decode_log(entries, topics, (77).to_bytes(32, "big"))
    assert found is not None
    assert dict(found.named()) == {
        "from": "0x" + TO.hex(),
        "to": "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F",
        "value": 77,
    }
    assert abi.decode_log(entries, topics[:2], bytes(32)) is None
    assert abi.decode_log(entries, [], b"") is None
    assert abi.decode_revert(abi.ERROR + abi.encode(["string"], ["too late"])).text == "too late"
    assert "overflow" in abi.decode_revert(abi.PANIC + (0x11).to_bytes(32, "big")).text
    custom = abi.find(entries, "TooPoor", kind="error").encode([1, 2])
    assert abi.decode_revert(custom, entries).text == "TooPoor(1, 2)"
    assert abi.decode_revert(custom).text == "0x" + custom.hex()
    assert abi.decode_revert(b"").text == "reverted without a reason"
    assert abi.decode_revert(abi.ERROR + b"\xff").text == "0x" + (abi.ERROR + b"\xff").hex()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_hostile_answers_are_decode_errors(data: bytes) -> None:
    for types in (["string"], ["uint256[]", "bytes"], ["(address,bool)[3]"]):
        try:
            abi.decode(types, data)
        except DecodeError:
            continue


# Typed data.

MAIL = {
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    },
    "primaryType": "Mail",
    "domain": {
        "name": "Ether Mail",
        "version": "1",
        "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    },
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
}


def test_the_example_of_eip712() -> None:
    assert typed_data.encode_type("Mail", MAIL["types"]) == (  # type: ignore[arg-type]
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )
    assert typed_data.digest(MAIL).hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"


@pytest.mark.parametrize(
    "change",
    [
        {"primaryType": "Letter"},
        {"primaryType": None},
        {"types": []},
        {"types": {"Mail": [{"name": "x"}]}},
        {"message": {}},
        {"message": None},
        {"message": {**MAIL["message"], "contents": 5}},  # type: ignore[dict-item]
        {"domain": {"name": "x"}},
        {"types": {**MAIL["types"], "Person": [{"name": "name", "type": "uint7"}]}},  # type: ignore[dict-item]
    ],
)
def test_typed_data_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        typed_data.digest({**MAIL, **change})
    with pytest.raises(DecodeError):
        typed_data.digest([])


def test_types_that_refer_to_themselves_end() -> None:
    data = {
        "types": {"Node": [{"name": "next", "type": "Node"}], "EIP712Domain": []},
        "primaryType": "Node",
        "domain": {},
        "message": {"next": None},
    }
    assert len(typed_data.digest(data)) == 32
    deep: dict[str, object] = {"next": None}
    for _ in range(500):
        deep = {"next": deep}
    with pytest.raises(DecodeError):
        typed_data.digest({**data, "message": deep})


# Accounts of a wallet.


class Ledger:
    """An account chain that keeps nothing but nonces."""

    def __init__(self) -> None:
        self.pool: dict[tuple[bytes, int], EthereumTransaction] = {}
        self.refuse = False
        self.lock = threading.Lock()

    def chain_id(self) -> int:
        return 1

    def mined_nonce(self, account: bytes) -> int:
        return 0

    def pending_nonce(self, account: bytes) -> int:
        return sum(sender == account for sender, _ in self.pool)

    def balance(self, account: bytes) -> int:
        return 10**18

    def fees(self) -> Fees:
        return Fees(10**9, 20 * 10**9)

    def estimate_gas(self, sender: bytes, call: Call) -> int:
        if call.data == b"revert":
            raise Refused("execution reverted")
        return 21_000 if not call.data else 50_000

    def submit(self, tx: EthereumTransaction) -> None:
        with self.lock:
            if self.refuse:
                raise Refused("transaction underpriced")
            old = self.pool.get((tx.sender, tx.nonce))
            if old is not None and tx.fee_cap * 100 < old.fee_cap * 110:
                raise Refused("replacement transaction underpriced")
            self.pool[tx.sender, tx.nonce] = tx


def opened(phrase: str | None = None, passphrase: str = "") -> tuple[Accounts, Ledger, World]:
    world, ledger = World(6), Ledger()
    wallet = make(Chain(), world, phrase=phrase, passphrase=passphrase)
    return Accounts(wallet.state, ledger), ledger, world


JUNK = "test test test test test test test test test test test junk"


def test_accounts_of_the_well_known_phrase() -> None:
    accounts, _, _ = opened(JUNK)
    first, second = accounts.new("main"), accounts.new()
    assert (first.text, first.path) == ("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "m/44'/60'/0'/0/0")
    assert second.text == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert accounts.secret_of(first.address).hex() == "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert [a.label for a in accounts.all()] == ["main", ""]


def test_sends_take_nonces_in_order_and_refused_ones_give_them_back() -> None:
    accounts, ledger, _ = opened(JUNK)
    sender = accounts.new().address
    sent = [accounts.send(sender, Call(TO, n)) for n in range(3)]
    assert [tx.nonce for tx in sent] == [0, 1, 2] and sent[0].gas_limit == 21_000
    ledger.refuse = True
    with pytest.raises(WalletError) as caught:
        accounts.send(sender, Call(TO, 1))
    assert caught.value.rule == "rejected" and len(accounts.sent()) == 3
    ledger.refuse = False
    assert accounts.send(sender, Call(TO, 1, b"data")).nonce == 3
    with pytest.raises(WalletError, match="would fail"):
        accounts.send(sender, Call(TO, 1, b"revert"))
    faster = accounts.replace(sent[1].id)
    assert faster.nonce == 1 and faster.value == 1 and faster.fee_cap > sent[1].fee_cap
    gone = accounts.replace(sent[2].id, cancel=True)
    assert gone.nonce == 2 and gone.to == sender and gone.value == 0


def test_concurrent_sends_of_a_wallet_skip_no_nonce() -> None:
    accounts, ledger, _ = opened(JUNK)
    sender = accounts.new().address
    threads = [threading.Thread(target=accounts.send, args=(sender, Call(TO, n))) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(nonce for _, nonce in ledger.pool) == list(range(100))


def test_locked_wallets_show_accounts_and_do_not_sign() -> None:
    accounts, _, world = opened(JUNK, "pass")
    account = accounts.new()
    assert accounts.all() == [account]
    for work in (
        lambda: accounts.send(account.address, Call(TO)),
        lambda: accounts.sign_personal(account.address, b"x"),
        lambda: accounts.sign_typed(account.address, MAIL),
        lambda: accounts.import_secret(SECRET),
    ):
        with pytest.raises(WalletError) as caught:
            work()
        assert caught.value.rule == "wallet-locked"
    accounts._state.vault.open("pass", world.monotonic(), 10)
    signature = accounts.sign_typed(account.address, MAIL)
    assert messages.recover_account(typed_data.digest(MAIL), signature) == account.address
    with pytest.raises(DecodeError, match="another chain"):
        accounts.sign_typed(account.address, {**MAIL, "domain": {**MAIL["domain"], "chainId": 5}})  # type: ignore[dict-item]


def test_keystores_come_in_and_go_out() -> None:
    accounts, ledger, world = opened(JUNK)
    text = keystore.encrypt(SECRET, "pw", world.random, FAST_KEYSTORE)
    account = accounts.import_keystore(text, "pw", "old")
    assert (account.address, account.path, account.label) == (SENDER, None, "old")
    assert accounts.import_secret(SECRET).label == "old" and len(accounts.all()) == 1
    out = accounts.export_keystore(SENDER, "other", world.random, FAST_KEYSTORE)
    assert keystore.decrypt(out, "other") == SECRET
    assert accounts.send(SENDER, Call(TO)).sender == SENDER and len(ledger.pool) == 1
    with pytest.raises(WalletError) as caught:
        accounts.secret_of(TO)
    assert caught.value.rule == "not-found"


@pytest.mark.parametrize(
    "text", ["", "0x", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "bcrt1q6rhpng9", "0x" + "zz" * 20]
)
def test_bad_account_addresses_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(WalletError) as caught:
        Accounts.read(text)
    assert caught.value.rule == "bad-address"


def test_accounts_survive_a_restart() -> None:
    world, chain = World(6), Chain()
    wallet = make(chain, world, phrase=JUNK)
    accounts = Accounts(wallet.state, Ledger())
    account = accounts.new("kept")
    accounts.send(account.address, Call(TO, 1))
    again = Accounts(reopen(wallet, chain).state, Ledger())
    assert again.all() == [account] and len(again.sent()) == 1
    assert again.new().path == "m/44'/60'/0'/0/1"
