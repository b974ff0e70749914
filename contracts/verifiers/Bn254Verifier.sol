// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Bn254} from "../bls/Bn254.sol";
import {Words} from "../bls/Words.sol";
import {IVerifier} from "../interfaces/IVerifier.sol";

/// @title Verifier for one BN254 group key
/// @notice Works on every EVM chain. `proof` is 224 bytes, seven words, each below p: signature x, y; then the witnesses
/// for hashing the digest: inverse, y₀, w₀, y₁, w₁ (see `Bn254.hashToG1`). Anybody can compute the witnesses.
contract Bn254Verifier is IVerifier {
    uint256 private constant KEY_BYTES = 128;
    uint256 private constant PROOF_BYTES = 224;

    /// @dev The key in EIP-197 order: imaginary limb first. Immutables are part of the code: no storage is read.
    uint256 private immutable KEY_X1;
    uint256 private immutable KEY_X0;
    uint256 private immutable KEY_Y1;
    uint256 private immutable KEY_Y0;

    /// @param key 128 bytes: x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0
    constructor(bytes memory key) {
        if (key.length != KEY_BYTES) revert KeyLength(KEY_BYTES, key.length);
        if (!Bn254.selfTest()) revert SelfTestFailed();
        if (Bn254.isIdentity(key)) revert KeyIsIdentity();
        if (!Bn254.isKey(key)) revert KeyIsInvalid();
        (KEY_X1, KEY_X0, KEY_Y1, KEY_Y0) = abi.decode(key, (uint256, uint256, uint256, uint256));
    }

    /// @inheritdoc IVerifier
    function verify(bytes32 digest, bytes calldata proof) external view returns (bool) {
        if (proof.length != PROOF_BYTES) return false;
        uint256 pairs = Words.free();
        unchecked {
            Words.store(pairs + Bn254.KEY_OFFSET, KEY_X1, KEY_X0, KEY_Y1, KEY_Y0);
        }
        return Bn254.verify(digest, Words.inCalldata(proof), pairs);
    }

    /// @inheritdoc IVerifier
    function suite() external pure returns (string memory) {
        return "bn254";
    }

    /// @inheritdoc IVerifier
    function groupKey() external view returns (bytes memory) {
        return abi.encode(KEY_X1, KEY_X0, KEY_Y1, KEY_Y0);
    }
}
