"""One request of JSON on stdin, one answer of JSON on stdout: what eth-account makes of transactions, typed data, messages, keystores.

It runs in an environment of its own and knows nothing of Chainyard.
"""

import json
import sys

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data


def fields(tx):
    found = {
        "chainId": tx["chainId"],
        "nonce": tx["nonce"],
        "gas": tx["gas"],
        "value": int(tx["value"]),
        "data": tx["data"],
    }
    if tx["to"] is not None:
        found["to"] = tx["to"]
    if tx["kind"] < 2:
        found["gasPrice"] = int(tx["feeCap"])
    else:
        found |= {"maxFeePerGas": int(tx["feeCap"]), "maxPriorityFeePerGas": int(tx["tipCap"])}
    if tx["kind"]:
        found["type"] = tx["kind"]
        found["accessList"] = [{"address": a, "storageKeys": keys} for a, keys in tx["accessList"]]
    if tx["kind"] == 3:
        found |= {"maxFeePerBlobGas": int(tx["blobFeeCap"]), "blobVersionedHashes": tx["blobHashes"]}
    if tx["kind"] == 4:
        found["authorizationList"] = [
            {
                **{k: a[k] for k in ("chainId", "address", "nonce", "yParity")},
                "r": int(a["r"], 16),
                "s": int(a["s"], 16),
            }
            for a in tx["authorizations"]
        ]
    return found


def transactions(secret, txs):
    return ["0x" + bytes(Account.sign_transaction(fields(tx), secret).raw_transaction).hex() for tx in txs]


def read(raws):
    return [Account.recover_transaction(raw) for raw in raws]


def typed(secret, data):
    return "0x" + bytes(Account.sign_message(encode_typed_data(full_message=data), secret).signature).hex()


def recover(data, typed, message, personal):
    return [
        Account.recover_message(encode_typed_data(full_message=data), signature=typed),
        Account.recover_message(encode_defunct(hexstr=message), signature=personal),
    ]


def message(secret, message):
    return "0x" + bytes(Account.sign_message(encode_defunct(hexstr=message), secret).signature).hex()


def authorize(secret, authorization):
    made = Account.sign_authorization(authorization, secret)
    return {"yParity": made.y_parity, "r": hex(made.r), "s": hex(made.s)}


def keystore(secret, password, text):
    made = {
        kdf: json.dumps(Account.encrypt(secret, password, kdf, 4096 if kdf == "scrypt" else 2000))
        for kdf in ("scrypt", "pbkdf2")
    }
    try:
        Account.decrypt(text, password + "x")
        wrong = ""
    except ValueError as e:
        wrong = str(e)
    return {"made": made, "secret": "0x" + bytes(Account.decrypt(text, password)).hex(), "wrong": wrong}


ACTIONS = {f.__name__: f for f in (transactions, read, typed, recover, message, authorize, keystore)}

if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(json.dumps(ACTIONS[request.pop("action")](**request)))
