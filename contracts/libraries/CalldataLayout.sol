// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {
    CallEntry,
    DestinationProof,
    Handover,
    HistoryProof,
    OutboxProof,
    PayoutEntry
} from "../interfaces/Messages.sol";

/// @title One encoding per call
/// @notice The ABI lets offsets point anywhere and bytes lie around that no argument accounts for. Here every argument must lie
/// where the standard encoder puts it, back to back, and calldata must end with the last one.
/// @dev Each function takes the position at which its argument must start (its tail, behind the offsets) and returns the
/// position behind it. Lengths come from calldata that Solidity has already bounded, so sums cannot overflow.
library CalldataLayout {
    /// @notice Thrown when calldata is longer or shorter than its arguments
    error CalldataLength(uint256 expected, uint256 actual);

    /// @notice Thrown when an argument does not lie where the standard encoder puts it
    error CalldataOffset(uint256 expected, uint256 actual);

    function requireEnd(uint256 position) internal pure {
        if (msg.data.length != position) revert CalldataLength(position, msg.data.length);
    }

    function skipBytes(uint256 position, bytes calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value.offset
        }
        unchecked {
            _requireAt(position + 32, start);
            return position + 32 + ((value.length + 31) & ~uint256(31));
        }
    }

    function skipWords(uint256 position, bytes32[] calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value.offset
        }
        unchecked {
            _requireAt(position + 32, start);
            return position + 32 + 32 * value.length;
        }
    }

    function skipPayouts(uint256 position, PayoutEntry[] calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value.offset
        }
        unchecked {
            _requireAt(position + 32, start);
            return position + 32 + 6 * 32 * value.length;
        }
    }

    function skipCalls(uint256 position, CallEntry[] calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value.offset
        }
        unchecked {
            _requireAt(position + 32, start);
            position += 32 + 32 * value.length;
            for (uint256 i = 0; i < value.length; ++i) position = skipCall(position, value[i]);
            return position;
        }
    }

    function skipCall(uint256 position, CallEntry calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value
        }
        unchecked {
            _requireAt(position, start);
            return skipBytes(position + 5 * 32, value.data);
        }
    }

    function skipDestination(uint256 position, DestinationProof calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value
        }
        unchecked {
            _requireAt(position, start);
            return skipWords(position + 8 * 32, value.siblings);
        }
    }

    function skipOutboxProof(uint256 position, OutboxProof calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value
        }
        unchecked {
            _requireAt(position, start);
            return skipWords(position + 4 * 32, value.siblings);
        }
    }

    function skipHistory(uint256 position, HistoryProof calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value
        }
        unchecked {
            _requireAt(position, start);
            return skipWords(position + 8 * 32, value.siblings);
        }
    }

    function skipHandover(uint256 position, Handover calldata value) internal pure returns (uint256) {
        uint256 start;
        assembly ("memory-safe") {
            start := value
        }
        unchecked {
            _requireAt(position, start);
            return skipBytes(skipBytes(position + 5 * 32, value.newBls12381Key), value.newBn254Key);
        }
    }

    function _requireAt(uint256 expected, uint256 actual) private pure {
        if (actual != expected) revert CalldataOffset(expected, actual);
    }
}
