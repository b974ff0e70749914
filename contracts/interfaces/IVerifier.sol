// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title One committee's group key on one chain
/// @notice Tells whether a 32-byte digest was signed by the group key that this contract was deployed for.
/// Immutable: one key, one suite, no owner, no storage, no way to change.
/// @dev The implementations revert with `PrecompileGate.PrecompileOutOfGas` and `PrecompileGate.PrecompileAbsent`, too.
interface IVerifier {
    /// @notice Thrown by the constructor when the key does not have the exact length of a public key of the suite
    error KeyLength(uint256 expected, uint256 actual);

    /// @notice Thrown by the constructor when the key is the point at infinity, under which anything can be signed
    error KeyIsIdentity();

    /// @notice Thrown by the constructor when the key has a coordinate that is not reduced, is off the curve or is
    /// outside the subgroup of prime order
    error KeyIsInvalid();

    /// @notice Thrown by the constructor when hashing to the curve or the pairing gives a wrong answer on this chain
    error SelfTestFailed();

    /// @notice Whether `proof` shows that the group key signed `digest`
    /// @dev False for every proof that is not exactly right: wrong length, coordinate not reduced, point off the
    /// curve or outside the subgroup, identity, wrong witness, wrong signature. Reverts only when the gas left does
    /// not suffice to decide, or when the chain has lost a precompile since deployment: neither is ever reported as an
    /// invalid signature.
    /// @param digest What the committee signed
    /// @param proof The signature as this suite takes it; the implementation gives the layout
    function verify(bytes32 digest, bytes calldata proof) external view returns (bool);

    /// @notice `"bls12-381"` or `"bn254"`
    function suite() external view returns (string memory);

    /// @notice The group key, byte for byte as it was given to the constructor
    function groupKey() external view returns (bytes memory);
}
