// viem beside a Bitcoin client on one chain: it transfers tokens and waits for a block that somebody else mines.
import fs from "node:fs";
import { createPublicClient, createWalletClient, http, parseEventLogs } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const [url, path, key, address, to, amount] = process.argv.slice(2);
const { abi } = JSON.parse(fs.readFileSync(path, "utf8")).Token;
const options = { chain: foundry, transport: http(url), pollingInterval: 50 };
const open = createPublicClient(options);
const wallet = createWalletClient({ ...options, account: privateKeyToAccount(key) });
const hash = await wallet.writeContract({ address, abi, functionName: "transfer", args: [to, BigInt(amount)] });
const receipt = await open.waitForTransactionReceipt({ hash });
const [event] = parseEventLogs({ abi, logs: receipt.logs });
if (receipt.status !== "success" || event.args.value !== BigInt(amount)) throw new Error("not transferred");
console.log(JSON.stringify({ hash, block: receipt.blockHash }));
