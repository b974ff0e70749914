// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IVerifierCode} from "../interfaces/IVerifierCode.sol";
import {Bn254Verifier} from "./Bn254Verifier.sol";

/// @title Creation code of BN254 verifiers
contract Bn254VerifierCode is IVerifierCode {
    /// @inheritdoc IVerifierCode
    function creationCode(bytes calldata key) external pure returns (bytes memory) {
        return abi.encodePacked(type(Bn254Verifier).creationCode, abi.encode(key));
    }

    /// @inheritdoc IVerifierCode
    function suite() external pure returns (string memory) {
        return "bn254";
    }
}
