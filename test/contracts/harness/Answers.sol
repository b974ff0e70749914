// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @notice Stands where a precompile should be and answers with a fixed number of bytes, each 0 but the last of each
/// word, which is 1: a "true" of the wrong length.
contract Answers {
    uint256 private immutable SIZE;

    constructor(uint256 size) {
        SIZE = size;
    }

    fallback() external {
        uint256 size = SIZE;
        assembly ("memory-safe") {
            let answer := mload(0x40)
            for {
                let offset := 0
            } lt(offset, size) {
                offset := add(offset, 0x20)
            } {
                mstore(add(answer, offset), 1)
            }
            return(answer, size)
        }
    }
}

/// @notice Stands where a precompile should be and always gives the same word.
contract Constant {
    bytes32 private immutable ANSWER;

    constructor(bytes32 answer) {
        ANSWER = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return abi.encodePacked(ANSWER);
    }
}

/// @notice Stands where a precompile should be and refuses, taking all gas as a precompile does.
contract Refuses {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @notice Stands where a precompile should be and gives recorded answers, so that a single precompile can be falsified.
contract Recorded {
    mapping(bytes32 inputHash => bytes answer) private _answers;

    function record(bytes calldata input, bytes calldata answer) external {
        _answers[keccak256(input)] = answer;
    }

    fallback(bytes calldata input) external returns (bytes memory) {
        return _answers[keccak256(input)];
    }
}
