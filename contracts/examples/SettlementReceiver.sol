// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ISettlementHub} from "../interfaces/ISettlementHub.sol";
import {ISettlementReceiver} from "../interfaces/ISettlementReceiver.sol";
import {AccountProof, HeadWitness} from "../interfaces/Messages.sol";

/// @title A small dApp that acts on final settlements
/// @notice Shows the two ways to consume finality: being told (`onSettlement`), and asking (`recordExitValue`).
/// Data of a notice is `abi.encode(bytes32 instrument, int256 settlementPrice)`.
contract SettlementReceiver is ISettlementReceiver {
    /// @notice The hub this contract believes
    ISettlementHub public immutable HUB;

    /// @notice Settlement price per instrument, once it is final
    mapping(bytes32 instrument => int256 price) public settlementPrice;

    /// @notice Whether an instrument has settled (a price may be zero)
    mapping(bytes32 instrument => bool) public isSettled;

    /// @notice Exit value of an account as last proven here
    mapping(bytes32 account => mapping(bytes32 asset => uint256)) public provenExitValue;

    /// @notice Sequence of the header it was proven against; older proofs do not overwrite it
    mapping(bytes32 account => mapping(bytes32 asset => uint64)) public provenAt;

    /// @notice Thrown when somebody other than the hub reports a settlement
    error NotHub(address caller);

    /// @notice Thrown when an instrument is settled again
    error AlreadySettled(bytes32 instrument);

    /// @notice Thrown when the hub does not know the proof as final, or knows a newer one
    error NotFinal();

    /// @notice An instrument has settled
    event InstrumentSettled(bytes32 indexed instrument, int256 price, bytes32 referenceId);

    constructor(ISettlementHub hub) {
        HUB = hub;
    }

    /// @inheritdoc ISettlementReceiver
    function onSettlement(uint64, bytes32 referenceId, bytes calldata data) external {
        if (msg.sender != address(HUB)) revert NotHub(msg.sender);
        (bytes32 instrument, int256 price) = abi.decode(data, (bytes32, int256));
        if (isSettled[instrument]) revert AlreadySettled(instrument);
        isSettled[instrument] = true;
        settlementPrice[instrument] = price;
        emit InstrumentSettled(instrument, price, referenceId);
    }

    /// @notice Records what an account is worth, proven against one of the hub's last heads. Anybody may call
    function recordExitValue(HeadWitness calldata witness, AccountProof calldata proof) external {
        uint64 sequence = witness.header.sequence;
        bytes32 account = proof.leaf.account;
        bytes32 asset = proof.leaf.asset;
        if (sequence <= provenAt[account][asset] || !HUB.isFinalAccount(witness, proof)) revert NotFinal();
        provenAt[account][asset] = sequence;
        provenExitValue[account][asset] = proof.leaf.exitValue;
    }
}
