// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Play money for development and test networks
/// @notice Anybody can mint. Never list it where money is real.
contract TestToken is ERC20 {
    uint8 private immutable DECIMALS;

    constructor(string memory name, string memory symbol, uint8 tokenDecimals) ERC20(name, symbol) {
        DECIMALS = tokenDecimals;
    }

    /// @notice Makes tokens out of nothing
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Digits after the decimal point
    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }
}
