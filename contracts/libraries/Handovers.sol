// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Handover} from "../interfaces/Messages.sol";

/// @title Statements by which one group key names the next
/// @notice Set in stone: what committees sign. The same statement is for hubs of both suites, and every hub checks of both
/// suites' keys what can be checked on any chain. TypeScript twin: `src/batch/handover.ts`.
library Handovers {
    /// @notice Thrown when a new key does not have the length its suite's verifier takes
    error HandoverKeyLength(uint256 expected, uint256 actual);

    /// @notice Thrown when a new key is the identity, under which anything can be signed
    error HandoverToIdentity();

    /// @notice Thrown when a new key is the old one
    error HandoverToSameKey();

    bytes32 private constant HANDOVER_TYPE = keccak256(
        "Handover(uint64 number,bytes32 oldBls12381KeyHash,bytes32 oldBn254KeyHash,bytes newBls12381Key,bytes newBn254Key)"
    );
    uint256 private constant BLS12381_KEY_BYTES = 256;
    uint256 private constant BN254_KEY_BYTES = 128;

    function digest(bytes32 separator, Handover calldata value) internal pure returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                HANDOVER_TYPE,
                value.number,
                value.oldBls12381KeyHash,
                value.oldBn254KeyHash,
                keccak256(value.newBls12381Key),
                keccak256(value.newBn254Key)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev Reverts unless both new keys may follow. Whether they are points of the right group is for the verifiers'
    /// constructors, each on chains that can tell.
    function requireNewKeys(Handover calldata value) internal pure {
        _requireNewKey(value.newBls12381Key, BLS12381_KEY_BYTES, value.oldBls12381KeyHash);
        _requireNewKey(value.newBn254Key, BN254_KEY_BYTES, value.oldBn254KeyHash);
    }

    function _requireNewKey(bytes calldata key, uint256 length, bytes32 oldHash) private pure {
        if (key.length != length) revert HandoverKeyLength(length, key.length);
        bytes32 hash = keccak256(key);
        if (hash == keccak256(new bytes(length))) revert HandoverToIdentity();
        if (hash == oldHash) revert HandoverToSameKey();
    }
}
