// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title What a hub deploys a new key's verifier from
/// @notice One stateless contract per suite, shared by all hubs of a chain: a hub asks it for bytes and creates the verifier
/// itself, so that a handover names a key and never an address.
interface IVerifierCode {
    /// @notice Creation code of this suite's verifier with its constructor argument
    /// @param key Group key as the verifier's constructor takes it; checked there, not here
    function creationCode(bytes calldata key) external pure returns (bytes memory);

    /// @notice `"bls12-381"` or `"bn254"`
    function suite() external pure returns (string memory);
}
