// A project whose only network is the node at the URL in YARD_URL.
require("@nomicfoundation/hardhat-ethers");
module.exports = {
  defaultNetwork: "yard",
  networks: {
    yard: { url: process.env.YARD_URL },
    keyed: { url: process.env.YARD_URL, accounts: [process.env.YARD_KEY], chainId: 31337 },
  },
};
