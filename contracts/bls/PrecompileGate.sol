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
    /// Input and output are memory regions of the caller; the output may overlap the input.
    function call(
        address precompile,
        uint256 input,
        uint256 inputSize,
        uint256 output,
        uint256 outputSize
    ) internal view {
        bool success;
        uint256 answered;
        assembly ("memory-safe") {
            // All gas but 1/64: no price is assumed.
            success := staticcall(gas(), precompile, input, inputSize, output, outputSize)
            // Length of what came back, to be compared with what the precompile must return.
            answered := returndatasize()
        }
        // One comparison on the good road: an empty answer and a failed call both end in `refuse`.
        if (!success || answered != outputSize) refuse(precompile, success);
    }

    /// @dev Pairing check on `inputSize` bytes at `input` that may be malformed. True only for the answer 1.
    /// False for the answer 0 and for input that the precompile refused although it had PAIRING_GAS to work with.
    /// Overwrites the scratch space.
    function tryPairing(address precompile, uint256 input, uint256 inputSize) internal view returns (bool holds) {
        uint256 available;
        bool success;
        uint256 answered;
        assembly ("memory-safe") {
            // Measured before the call, which itself takes something: see the comparison below.
            available := gas()
            // The EVM passes the smaller of PAIRING_GAS and 63/64 of what is left. One word comes back, to scratch.
            success := staticcall(PAIRING_GAS, precompile, input, inputSize, 0, 32)
            // Length of what came back.
            answered := returndatasize()
            // Exactly 1, not merely non-zero; meaningless unless the two checks below pass.
            holds := eq(mload(0), 1)
        }
        if (success) {
            if (answered != 32) refuse(precompile, true);
            return holds;
        }
        // Under-gassed on purpose, a valid signature must not read as invalid. 1,000 covers the call's own cost (warm
        // 100) and rounding; below the bound we cannot tell and say so.
        if (available - available / 64 < PAIRING_GAS + 1_000) revert PrecompileOutOfGas(precompile);
        return false;
    }

    /// @dev Out of the way of the good road.
    function refuse(address precompile, bool success) private pure {
        if (success) revert PrecompileAbsent(precompile);
        revert PrecompileOutOfGas(precompile);
    }
}
