// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Bls12381} from "../../../contracts/bls/Bls12381.sol";
import {Bn254} from "../../../contracts/bls/Bn254.sol";
import {PrecompileGate} from "../../../contracts/bls/PrecompileGate.sol";
import {Words} from "../../../contracts/bls/Words.sol";

/// @notice The library's internal functions, one external function each.
contract Bn254Harness {
    /// @param hints The five witnesses
    function hashToG1(bytes32 digest, bytes calldata hints) external view returns (bool valid, uint256 x, uint256 y) {
        require(hints.length == 160, "five words");
        uint256 work = Words.free();
        valid = Bn254.hashToG1(digest, Words.inCalldata(hints), work, work);
        if (valid) (x, y) = (Words.load(work), Words.load(work + 0x20));
    }

    function hashToField(bytes32 digest) external pure returns (uint256 u0, uint256 u1) {
        return Bn254.hashToField(digest, Words.free());
    }

    /// @param hints y and w
    function svdw(
        uint256 u,
        uint256 inverse,
        bytes calldata hints
    ) external pure returns (bool valid, uint256 x, uint256 y) {
        require(hints.length == 64, "two words");
        uint256 point = Words.free();
        valid = Bn254.svdw(u, mulmod(u, u, Bn254.P) << 2, inverse, Words.inCalldata(hints), point);
        if (valid) (x, y) = (Words.load(point), Words.load(point + 0x20));
    }

    function isOnCurve(uint256 x, uint256 y) external pure returns (bool) {
        return Bn254.isOnCurve(x, y);
    }

    function isKey(bytes memory key) external view returns (bool) {
        return Bn254.isKey(key);
    }
}

/// @notice The library's internal functions, one external function each.
contract Bls12381Harness {
    function hashToG1(bytes32 digest) external view returns (bytes memory point) {
        point = new bytes(128);
        Bls12381.hashToG1(digest, Words.inMemory(point), Words.free());
    }

    function hashToField(bytes32 digest) external view returns (uint256 hi0, uint256 lo0, uint256 hi1, uint256 lo1) {
        return Bls12381.hashToField(digest, Words.free());
    }

    function mapToG1(uint256 hi0, uint256 lo0, uint256 hi1, uint256 lo1) external view returns (bytes memory point) {
        point = new bytes(128);
        Bls12381.mapToG1(hi0, lo0, hi1, lo1, Words.inMemory(point), Words.free());
    }

    function reduce(uint256 hi, uint256 lo) external pure returns (uint256, uint256) {
        return Bls12381.reduce(hi, lo);
    }

    function isReduced(uint256 hi, uint256 lo) external pure returns (bool) {
        return Bls12381.isReduced(hi, lo);
    }

    function isKey(bytes memory key) external view returns (bool) {
        return Bls12381.isKey(key);
    }
}

/// @notice Calls whatever address it is told to, as if it were a precompile.
contract GateHarness {
    function callExact(
        address precompile,
        bytes memory input,
        uint256 outputSize
    ) external view returns (bytes memory output) {
        output = new bytes(outputSize);
        PrecompileGate.callExact(precompile, Words.inMemory(input), input.length, Words.inMemory(output), outputSize);
    }

    function tryPairing(address precompile, bytes memory input) external view returns (bool) {
        return PrecompileGate.tryPairing(precompile, Words.inMemory(input), input.length);
    }
}
