"""Moves between the halves of a twin chain, as a wallet makes them: the payment of a deposit, the call of an exit.

It knows neither chain nor contract address; what a move is made of is in primitives/twin.py.
"""

from __future__ import annotations

from primitives.twin import LEAST_EXIT, MOST_EXIT, WEI_PER_SATOSHI, deposit_output
from wallet.errors import BAD_ADDRESS, BAD_AMOUNT, WalletError
from wallet.spend_account import Call
from wallet.spend_utxo import Payment

_KEY_HASH, _TAPROOT = b"\x00\x14", b"\x51\x20"


def deposit_payment(account: bytes, satoshi: int) -> Payment:
    """The payment that moves coins to an account. Raises WalletError("bad-amount")."""
    if satoshi <= 0:
        raise WalletError(BAD_AMOUNT, "a deposit is of one satoshi at least")
    output = deposit_output(account, satoshi)
    return Payment(output.script, output.value)


def exit_call(contract: bytes, script: bytes, satoshi: int) -> Call:
    """The call that moves ether to an output script. Raises WalletError("bad-address") and WalletError("bad-amount")."""
    if not LEAST_EXIT <= satoshi <= MOST_EXIT:
        raise WalletError(BAD_AMOUNT, f"an exit is of {LEAST_EXIT} to {MOST_EXIT} satoshi")
    if len(script) == 22 and script.startswith(_KEY_HASH):
        return Call(contract, satoshi * WEI_PER_SATOSHI, b"\0" + script[2:])
    if len(script) == 34 and script.startswith(_TAPROOT):
        return Call(contract, satoshi * WEI_PER_SATOSHI, b"\1" + script[2:])
    raise WalletError(
        BAD_ADDRESS, "an exit pays a witness key hash or a taproot output: an address that begins with bc1 (bcrt1)"
    )
