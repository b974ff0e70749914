// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Bls12381} from "../bls/Bls12381.sol";
import {Words} from "../bls/Words.sol";
import {IVerifier} from "../interfaces/IVerifier.sol";

/// @title Verifier for one BLS12-381 group key
/// @notice Works on chains with EIP-2537; cannot be deployed on others. `proof` is 96 bytes: the signature's x and y,
/// 48 bytes each, big-endian, below p.
contract Bls12381Verifier is IVerifier {
    uint256 private constant KEY_BYTES = 256;
    uint256 private constant PROOF_BYTES = 96;

    /// @dev The key as EIP-2537 takes it: real limb first, two words a limb. Immutables are part of the code: no storage
    /// is read.
    uint256 private immutable KEY_X0_HI;
    uint256 private immutable KEY_X0_LO;
    uint256 private immutable KEY_X1_HI;
    uint256 private immutable KEY_X1_LO;
    uint256 private immutable KEY_Y0_HI;
    uint256 private immutable KEY_Y0_LO;
    uint256 private immutable KEY_Y1_HI;
    uint256 private immutable KEY_Y1_LO;

    /// @param key 256 bytes: x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, each 16 zero bytes and 48 of the coordinate
    constructor(bytes memory key) {
        if (key.length != KEY_BYTES) revert KeyLength(KEY_BYTES, key.length);
        if (!Bls12381.selfTest()) revert SelfTestFailed();
        if (Bls12381.isIdentity(key)) revert KeyIsIdentity();
        if (!Bls12381.isKey(key)) revert KeyIsInvalid();
        (KEY_X0_HI, KEY_X0_LO, KEY_X1_HI, KEY_X1_LO, KEY_Y0_HI, KEY_Y0_LO, KEY_Y1_HI, KEY_Y1_LO) = abi.decode(
            key,
            (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256)
        );
    }

    /// @inheritdoc IVerifier
    function verify(bytes32 digest, bytes calldata proof) external view returns (bool) {
        if (proof.length != PROOF_BYTES) return false;
        uint256 pairs = Words.free();
        unchecked {
            Words.store(pairs + Bls12381.KEY_OFFSET, KEY_X0_HI, KEY_X0_LO, KEY_X1_HI, KEY_X1_LO);
            Words.store(pairs + Bls12381.KEY_OFFSET + 0x80, KEY_Y0_HI, KEY_Y0_LO, KEY_Y1_HI, KEY_Y1_LO);
        }
        return Bls12381.verify(digest, Words.inCalldata(proof), pairs);
    }

    /// @inheritdoc IVerifier
    function suite() external pure returns (string memory) {
        return "bls12-381";
    }

    /// @inheritdoc IVerifier
    function groupKey() external view returns (bytes memory) {
        return abi.encode(KEY_X0_HI, KEY_X0_LO, KEY_X1_HI, KEY_X1_LO, KEY_Y0_HI, KEY_Y0_LO, KEY_Y1_HI, KEY_Y1_LO);
    }
}
