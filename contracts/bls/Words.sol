// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Reading and writing words at positions
/// @notice The input of a pairing check is a fixed layout of words; arrays and structs would copy it about.
/// @dev Positions are byte offsets. All writes go to memory at or after `free()`, which is not moved: nothing written
/// there outlives the call, and nothing else is allocated meanwhile.
library Words {
    /// @notice Where free memory begins
    function free() internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            // Solidity's free memory pointer.
            position := mload(0x40)
        }
    }

    /// @notice First byte of a byte string in calldata; the ABI decoder has checked that all of it is there
    function inCalldata(bytes calldata data) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            // Solidity keeps offset and length of a calldata slice.
            position := data.offset
        }
    }

    /// @notice First byte of a byte string in memory
    function inMemory(bytes memory data) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            // The first word is the length.
            position := add(data, 0x20)
        }
    }

    /// @notice One word of calldata
    function input(uint256 position) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            // Past the end of calldata this is zero; callers check the length first.
            value := calldataload(position)
        }
    }

    /// @notice One word of memory
    function load(uint256 position) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            // Reading past what was written gives zero.
            value := mload(position)
        }
    }

    /// @notice One word to memory
    function store(uint256 position, uint256 a) internal pure {
        assembly ("memory-safe") {
            // Like the ones below.
            mstore(position, a)
        }
    }

    /// @notice Two words to memory
    function store(uint256 position, uint256 a, uint256 b) internal pure {
        assembly ("memory-safe") {
            // First word,
            mstore(position, a)
            // second word.
            mstore(add(position, 0x20), b)
        }
    }

    /// @notice Four words to memory
    function store(uint256 position, uint256 a, uint256 b, uint256 c, uint256 d) internal pure {
        assembly ("memory-safe") {
            // First word,
            mstore(position, a)
            // second word,
            mstore(add(position, 0x20), b)
            // third word,
            mstore(add(position, 0x40), c)
            // fourth word.
            mstore(add(position, 0x60), d)
        }
    }

    /// @notice Memory to memory
    function copy(uint256 to, uint256 from, uint256 size) internal pure {
        assembly ("memory-safe") {
            // EIP-5656; regions may overlap.
            mcopy(to, from, size)
        }
    }
}
