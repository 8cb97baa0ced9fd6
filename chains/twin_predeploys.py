"""The exit contract of twin chains: its assembly, with the stack after each step, and the code that it comes to.

It locks ether and queues who is to be paid coins for it. Why it is as it is, is told in docs/twin.md.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.account.ledger import GenesisAccount
from ledger.account.requests import EXITS

EVENT: Final = "Exit(uint256,address,uint8,bytes32,uint64)"
"""Number and source are indexed; then version, program and satoshi."""
HEAD_SLOT, TAIL_SLOT = 0, 1
"""Where it is kept how many exits were paid and how many were asked for; exit n lies in slots 2 + 2n and 3 + 2n."""

ASSEMBLY: Final = """
    caller  push 0xfffffffffffffffffffffffffffffffffffffffe
    eq  jumpi @dequeue                     ; -                            at the end of a block the system asks
    calldatasize  jumpi @enqueue           ; -
    callvalue  jumpi @refuse               ; -                            ether without a program would be lost
    push0  sload  push0  mstore            ; -                            a look: how many exits were paid,
    push 1  sload  push 32  mstore         ; -                            how many were asked for
    push 64  push0  return

@enqueue:                                  ;                              calldata: version 1, program 20 or 32
    push0  calldataload  push 248  shr     ; version
    push 1  dup2  gt  jumpi @refuse        ; version                      0 or 1
    dup1  push 12  mul  push 21  add       ; 21+12*version version
    calldatasize  sub  jumpi @refuse       ; version                      21 or 33 bytes
    push 10000000000  callvalue  mod       ; rest version
    jumpi @refuse                          ; version                      whole satoshi
    push 10000000000  callvalue  div       ; amount version
    push 9999999999000                     ; most-least amount version
    push 1000  dup3  sub                   ; amount-least most-least amount version   wraps below the least
    gt  jumpi @refuse                      ; amount version               1,000 to 10^13 satoshi
    push 1  sload                          ; n amount version
    dup1  push 1  shl  push 2  add         ; slot n amount version
    caller  push 96  shl                   ; word slot n amount version   source 20
    dup5  push 88  shl  or                 ; word slot n amount version   version 1, empty 3
    dup4  or                               ; word slot n amount version   amount 8
    dup2  sstore                           ; slot n amount version
    push 1  calldataload                   ; program slot n amount version
    swap1  push 1  add  sstore             ; n amount version
    dup1  push 1  add  push 1  sstore      ; n amount version
    swap2  push0  mstore                   ; amount n                     the event's data: version,
    push 64  mstore                        ; n                            satoshi,
    push 1  calldataload  push 32  mstore  ; n                            program
    caller  dup2                           ; n source n
    push 0x8ef21c9d4ec271eb6bcc1b72c9d312bcf0bb532435e822e73f5057624264e66d
    push 96  push0  log3                   ; n
    push0  mstore  push 32  push0  return  ;                              the exit's number

@dequeue:
    push 1  sload  push0  sload            ; head tail
    push0                                  ; at head tail                 where the next record goes
@next:
    dup3  dup3  eq  jumpi @done            ; at head tail                 the queue is empty
    push 976  dup2  eq  jumpi @done        ; at head tail                 16 records are a block's
    dup2  push 1  shl  push 2  add         ; slot at head tail
    dup1  sload                            ; word slot at head tail
    dup1  dup4  mstore                     ; word slot at head tail       source 20, version 1
    dup2  push 1  add  sload               ; program word slot at head tail
    dup4  push 21  add  mstore             ; word slot at head tail       program 32
    push 192  shl                          ; amount slot at head tail
    dup3  push 53  add  mstore             ; slot at head tail            amount 8
    push0  dup2  sstore                    ; slot at head tail            what was paid is forgotten
    push 1  add  push0  swap1  sstore      ; at head tail
    push 61  add                           ; at head tail
    swap1  push 1  add  swap1              ; at head tail
    push @next  jump
@done:
    swap1  push0  sstore                   ; at tail
    push0  return                          ;                              the records

@refuse:
    push0  push0  revert
"""

_OPCODES: Final = {
    "add": 0x01, "mul": 0x02, "sub": 0x03, "div": 0x04, "mod": 0x06, "gt": 0x11, "eq": 0x14, "or": 0x17, "shl": 0x1B, "shr": 0x1C,
    "caller": 0x33, "callvalue": 0x34, "calldataload": 0x35, "calldatasize": 0x36, "mstore": 0x52, "sload": 0x54, "sstore": 0x55,
    "jump": 0x56, "jumpi": 0x57, "push0": 0x5F, "dup1": 0x80, "dup2": 0x81, "dup3": 0x82, "dup4": 0x83, "dup5": 0x84,
    "swap1": 0x90, "swap2": 0x91, "log3": 0xA3, "return": 0xF3, "revert": 0xFD,
}  # fmt: skip
_JUMPDEST, _PUSH0 = 0x5B, 0x5F


def assemble(text: str) -> bytes:
    """The code of an assembly: `push` takes a number, `push` and `jumpi` a label; what follows a semicolon is for people."""
    words = re.findall(r"\S+", re.sub(r";.*", "", text))
    code, labels, holes = bytearray(), dict[str, int](), list[tuple[int, str]]()

    def push(value: str) -> None:
        if value.startswith("@"):
            holes.append((len(code) + 1, value))
            code.extend((_PUSH0 + 2, 0, 0))
            return
        number = int(value, 0)
        data = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
        code.extend((_PUSH0 + len(data), *data))

    at = iter(words)
    for word in at:
        if word.endswith(":"):
            labels[word[:-1]] = len(code)
            code.append(_JUMPDEST)
        elif word == "push":
            push(next(at))
        elif word == "jumpi":
            push(next(at))
            code.append(_OPCODES[word])
        else:
            code.append(_OPCODES[word])
    for place, label in holes:
        code[place : place + 2] = labels[label].to_bytes(2, "big")
    return bytes(code)


EXIT_CODE: Final = assemble(ASSEMBLY)
EXIT_CONTRACT: Final = GenesisAccount(EXITS, nonce=1, code=EXIT_CODE)
