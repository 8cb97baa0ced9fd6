// Compiles a Solidity file; writes {name: {abi, bytecode}} to another.
const fs = require("fs");
const solc = require("solc");
const [source, target] = process.argv.slice(2);
const input = {
  language: "Solidity",
  sources: { "contracts.sol": { content: fs.readFileSync(source, "utf8") } },
  settings: { optimizer: { enabled: true }, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
};
const find = (path) => ({ contents: fs.readFileSync(require.resolve(path), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
const errors = (output.errors || []).filter((e) => e.severity === "error");
if (errors.length) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
const found = {};
for (const [name, made] of Object.entries(output.contracts["contracts.sol"]))
  found[name] = { abi: made.abi, bytecode: "0x" + made.evm.bytecode.object };
fs.writeFileSync(target, JSON.stringify(found));
