// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IVerifierCode} from "../interfaces/IVerifierCode.sol";
import {Bls12381Verifier} from "./Bls12381Verifier.sol";

/// @title Creation code of BLS12-381 verifiers
contract Bls12381VerifierCode is IVerifierCode {
    /// @inheritdoc IVerifierCode
    function creationCode(bytes calldata key) external pure returns (bytes memory) {
        return abi.encodePacked(type(Bls12381Verifier).creationCode, abi.encode(key));
    }

    /// @inheritdoc IVerifierCode
    function suite() external pure returns (string memory) {
        return "bls12-381";
    }
}
