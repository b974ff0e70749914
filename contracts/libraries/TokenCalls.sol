// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Calls to tokens that may be hostile
/// @notice Bounded gas, bounded return data, no bubbling: whatever the token does, the caller goes on.
library TokenCalls {
    uint256 internal constant BALANCE_GAS = 100_000;

    /// @dev transfer(to, amount) with at most `gasLimit`. True only if the token has code, did not revert, and returned nothing
    /// or exactly true (as SafeERC20 has it). At most one word is copied, so a return bomb costs its token and not us.
    function tryTransfer(address token, address to, uint256 amount, uint256 gasLimit) internal returns (bool ok) {
        bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
        assembly ("memory-safe") {
            mstore(0x00, 0)
            ok := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            switch returndatasize()
            case 0 {
                ok := and(ok, gt(extcodesize(token), 0))
            }
            default {
                ok := and(ok, and(gt(returndatasize(), 31), eq(mload(0x00), 1)))
            }
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
