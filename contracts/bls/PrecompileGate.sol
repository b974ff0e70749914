// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Calls to precompiles that cannot be misread
/// @notice Three things look alike to a careless caller and are kept apart here: a precompile that is absent (the call
/// *succeeds* with no data), one that ran out of gas, and one that refused its input (both *fail* with no data).
/// @dev A call can also fail because it is nested 1,024 deep; with 63/64 of the gas passed at each level nobody gets
/// there, and it would read as out of gas.
library PrecompileGate {
    /// @notice Thrown when a precompile could not finish with the gas that was left; call again with more
    error PrecompileOutOfGas(address precompile);

    /// @notice Thrown when nothing, or something else, lives at the precompile's address
    error PrecompileAbsent(address precompile);

    /// @dev Gas passed to a pairing whose input may be malformed. A precompile that refuses its input takes all gas it
    /// was given, so it is not given everything. Must exceed any price a chain may ask for two pairs (Osaka: 102,900)
    /// with room for repricing; unused gas comes back.
    uint256 internal constant PAIRING_GAS = 262_144;

    /// @dev Calls a precompile whose input is known to be well-formed: failing can only mean out of gas.
    /// Input and output are memory regions of the caller; the output may overlap the input and is not empty.
    function callExact(
        address precompile,
        uint256 input,
        uint256 inputSize,
        uint256 output,
        uint256 outputSize
    ) internal view {
        uint256 success;
        uint256 answered;
        assembly ("memory-safe") {
            // All gas but 1/64: no price is assumed.
            success := staticcall(gas(), precompile, input, inputSize, output, outputSize)
            // Length of the answer; 0 for a failed call as for an empty answer, so that one comparison finds both.
            answered := mul(success, returndatasize())
        }
        if (answered != outputSize) refuse(precompile, success);
    }

    /// @dev Pairing check on `inputSize` bytes at `input` that may be malformed. True only for the answer 1.
    /// False for the answer 0 and for input that the precompile refused although it had PAIRING_GAS to work with.
    /// Overwrites the scratch space.
    function tryPairing(address precompile, uint256 input, uint256 inputSize) internal view returns (bool holds) {
        uint256 available;
        uint256 success;
        uint256 answered;
        assembly ("memory-safe") {
            // Measured before the call, which itself takes something: see the comparison below.
            available := gas()
            // The EVM passes the smaller of PAIRING_GAS and 63/64 of what is left. One word comes back, to scratch.
            success := staticcall(PAIRING_GAS, precompile, input, inputSize, 0x00, 0x20)
            // Length of the answer, 0 for a failed call.
            answered := mul(success, returndatasize())
            // Exactly 1, not merely non-zero; counts only if the answer was one word.
            holds := eq(mload(0x00), 1)
        }
        if (answered == 32) return holds;
        // Under-gassed on purpose, a valid signature must not read as invalid. 1,000 covers the call's own cost (100,
        // the address is warm) and rounding; below the bound we cannot tell and say so.
        if (success != 0 || available - available / 64 < PAIRING_GAS + 1_000) refuse(precompile, success);
        return false;
    }

    /// @dev Off the good road.
    function refuse(address precompile, uint256 success) private pure {
        if (success != 0) revert PrecompileAbsent(precompile);
        revert PrecompileOutOfGas(precompile);
    }
}
