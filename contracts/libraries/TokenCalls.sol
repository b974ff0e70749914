// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Calls that may end in hostile code
/// @notice Bounded gas, bounded return data, no bubbling: whatever is called, the caller goes on.
library TokenCalls {
    uint256 internal constant BALANCE_GAS = 100_000;

    /// @dev Calls `target` with at most `gasLimit` and copies nothing of what it returns.
    function tryCall(address target, bytes memory data, uint256 gasLimit) internal returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(gasLimit, target, 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
    }

    /// @dev balanceOf(account), or 0 when the token does not answer with a word.
    function tryBalance(address token, address account) internal view returns (uint256 units) {
        bytes memory data = abi.encodeCall(IERC20.balanceOf, (account));
        uint256 gasLimit = BALANCE_GAS;
        assembly ("memory-safe") {
            let ok := staticcall(gasLimit, token, add(data, 0x20), mload(data), 0x00, 0x20)
            if and(ok, gt(returndatasize(), 31)) {
                units := mload(0x00)
            }
        }
    }
}
