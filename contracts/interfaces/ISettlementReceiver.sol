// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title A contract that is told about final settlements
/// @notice Called by a SettlementHub for a call entry. Check `msg.sender`: anybody can call a function.
interface ISettlementReceiver {
    /// @notice A settlement that concerns this contract is final
    /// @dev Runs with at least the gas that the entry promises. A revert is recorded and anybody may retry the call; other
    /// entries are never held up. Each entry is reported successfully at most once.
    /// @param index Position of the entry in the hub's outbox
    /// @param referenceId What the entry answers, e.g. an instruction id
    /// @param data What the ledger says, in the receiver's own encoding
    function onSettlement(uint64 index, bytes32 referenceId, bytes calldata data) external;
}
