// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import "@openzeppelin/contracts/token/ERC20/ERC20.sol";

error TooMuch(uint256 asked, uint256 limit);

contract Token is ERC20 {
    uint256 public constant LIMIT = 1000 ether;

    constructor() ERC20("Yard", "YRD") {
        _mint(msg.sender, LIMIT);
    }

    function refuse() external pure {
        revert("not today");
    }

    function limited(uint256 amount) external pure returns (uint256) {
        if (amount > LIMIT) revert TooMuch(amount, LIMIT);
        return amount * 2;
    }

    function panics(uint256 by) external pure returns (uint256) {
        return 1 / by;
    }
}

contract Factory {
    event Made(address where);

    function make(bytes32 salt) external returns (address where) {
        where = address(new Box{salt: salt}(msg.sender));
        emit Made(where);
    }
}

contract Box {
    address public owner;
    uint256 public value;

    event Stored(uint256 indexed value, address indexed by);

    constructor(address first) {
        owner = first;
    }

    function store(uint256 what) external {
        value = what;
        emit Stored(what, msg.sender);
    }
}

contract Counter is UUPSUpgradeable {
    uint256 public count;

    function increase() external {
        count += 1;
    }

    function version() external pure virtual returns (uint256) {
        return 1;
    }

    function _authorizeUpgrade(address) internal view override {
        if (count == 0) revert("nothing counted");
    }
}

contract CounterTwo is Counter {
    function version() external pure override returns (uint256) {
        return 2;
    }
}

contract Pointer is ERC1967Proxy {
    constructor(address implementation, bytes memory data) payable ERC1967Proxy(implementation, data) {}
}
