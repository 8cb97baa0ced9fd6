"""Checks proofs of eth_getProof (EIP-1186) with py-trie: what each says of an account and its storage, against a state root.

Reads a list of {root, proof}, writes a list of {account, storage} as they are proven. Raises where a proof does not hold.
"""

import json
import sys

import rlp
from eth_hash.auto import keccak
from rlp.sedes import Binary, List, big_endian_int
from trie import HexaryTrie

Account = List([big_endian_int, big_endian_int, Binary.fixed_length(32), Binary.fixed_length(32)])


def raw(text):
    return bytes.fromhex(text[2:])


def get(root, key, nodes):
    return HexaryTrie.get_from_proof(root, keccak(key), [rlp.decode(raw(n)) for n in nodes])


def prove(case):
    proof = case["proof"]
    found = get(raw(case["root"]), raw(proof["address"]), proof["accountProof"])
    if not found:
        return {"account": None, "storage": []}
    nonce, balance, storage_root, code_hash = rlp.decode(found, Account)
    assert storage_root == raw(proof["storageHash"])
    slots = []
    for slot in proof["storageProof"]:
        value = get(storage_root, int(slot["key"], 16).to_bytes(32, "big"), slot["proof"]) if slot["proof"] else b""
        slots.append(int.from_bytes(rlp.decode(value), "big") if value else 0)
    return {"account": [nonce, balance, storage_root.hex(), code_hash.hex()], "storage": slots}


json.dump([prove(case) for case in json.load(sys.stdin)], sys.stdout)
