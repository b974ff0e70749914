// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Bls12381} from "../../../contracts/bls/Bls12381.sol";
import {Bn254} from "../../../contracts/bls/Bn254.sol";
import {IVerifier} from "../../../contracts/interfaces/IVerifier.sol";
import {Bls12381Verifier} from "../../../contracts/verifiers/Bls12381Verifier.sol";
import {Bn254Verifier} from "../../../contracts/verifiers/Bn254Verifier.sol";
import {Bn254Reference} from "../harness/Bn254Reference.sol";
import {Bls12381Harness} from "../harness/CurveHarness.sol";

/// @notice Whoever does not know the secret gets nothing accepted. The group keys are the negated generators: secret
/// r − 1, so that the only valid signature of a digest is −H(digest), which a test can compute.
contract VerifiersTest {
    uint256 private constant Q_LO = Bls12381.P_LO;
    uint256 private constant Q_HI = Bls12381.P_HI;

    Bls12381Harness private curve;
    IVerifier private bls;
    IVerifier private bn;

    function setUp() public {
        curve = new Bls12381Harness();
        bn = new Bn254Verifier(abi.encode(Bn254.NEG_G2_X1, Bn254.NEG_G2_X0, Bn254.NEG_G2_Y1, Bn254.NEG_G2_Y0));
        bls = new Bls12381Verifier(
            hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
            hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
            hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
            hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed"
        );
    }

    function testFuzz_Bn254_AcceptsOnlyMinusH(bytes32 digest, bytes32 other) public view {
        (bytes memory negated, bytes memory plain) = _bn254Proofs(digest);
        require(bn.verify(digest, negated), "valid signature refused");
        require(!bn.verify(digest, plain), "y and p - y confused");
        require(digest == other || !bn.verify(other, negated), "another digest");
    }

    function testFuzz_Bls12381_AcceptsOnlyMinusH(bytes32 digest, bytes32 other) public view {
        (bytes memory negated, bytes memory plain) = _bls12381Proofs(digest);
        require(bls.verify(digest, negated), "valid signature refused");
        require(!bls.verify(digest, plain), "y and p - y confused");
        require(digest == other || !bls.verify(other, negated), "another digest");
    }

    function testFuzz_Bn254_NoRandomProof(bytes32 digest, bytes calldata proof) public view {
        require(!bn.verify(digest, proof), "random proof");
    }

    function testFuzz_Bls12381_NoRandomProof(bytes32 digest, bytes calldata proof) public view {
        require(!bls.verify(digest, proof), "random proof");
    }

    function testFuzz_Bn254_NoRandomWords(bytes32 digest, uint256[7] calldata words) public view {
        require(!bn.verify(digest, abi.encode(words)), "random proof");
    }

    function testFuzz_Bls12381_NoRandomCoordinates(bytes32 digest, uint256[3] calldata words) public view {
        require(!bls.verify(digest, abi.encode(words)), "random proof");
    }

    /// Right hints and any point that is on the curve: the pairing decides, and says no.
    function testFuzz_Bn254_NoOtherPointOfTheCurve(bytes32 digest, bytes32 seed) public view {
        (bytes memory negated, ) = _bn254Proofs(digest);
        (uint256 x, uint256 y) = Bn254Reference.hashToG1(abi.encodePacked(seed));
        assembly ("memory-safe") {
            mstore(add(negated, 0x20), x)
            mstore(add(negated, 0x40), y)
        }
        require(!bn.verify(digest, negated), "another point");
    }

    /// The hash of something else is in the subgroup, so the pairing takes it, and says no.
    function testFuzz_Bls12381_NoOtherPointOfTheSubgroup(bytes32 digest, bytes32 seed) public view {
        (bytes memory other, bytes memory plain) = _bls12381Proofs(seed);
        require(digest == seed || !bls.verify(digest, other), "another point");
        require(!bls.verify(digest, plain), "another point");
    }

    function testFuzz_Bn254_OneByteChanged(bytes32 digest, uint256 index, uint8 mask) public view {
        if (mask == 0) return;
        (bytes memory proof, ) = _bn254Proofs(digest);
        index %= proof.length;
        proof[index] ^= bytes1(mask);
        require(!bn.verify(digest, proof), "changed proof");
    }

    function testFuzz_Bls12381_OneByteChanged(bytes32 digest, uint256 index, uint8 mask) public view {
        if (mask == 0) return;
        (bytes memory proof, ) = _bls12381Proofs(digest);
        index %= proof.length;
        proof[index] ^= bytes1(mask);
        require(!bls.verify(digest, proof), "changed proof");
    }

    /// Any amount of gas gives the truth or a revert.
    function testFuzz_LackOfGasIsNotInvalidity(bytes32 digest, uint256 gasLimit) public view {
        gasLimit = 1_000 + (gasLimit % 150_000);
        (bytes memory proof, ) = _bn254Proofs(digest);
        try bn.verify{gas: gasLimit}(digest, proof) returns (bool valid) {
            require(valid, "bn254: read as invalid");
        } catch {}
        (proof, ) = _bls12381Proofs(digest);
        try bls.verify{gas: gasLimit}(digest, proof) returns (bool valid) {
            require(valid, "bls12-381: read as invalid");
        } catch {}
    }

    function _bn254Proofs(bytes32 digest) private view returns (bytes memory negated, bytes memory plain) {
        (uint256 x, uint256 y) = Bn254Reference.hashToG1(abi.encodePacked(digest));
        Bn254Reference.Hints memory hints = Bn254Reference.hintsFor(abi.encodePacked(digest));
        return (abi.encode(x, Bn254.P - y, hints), abi.encode(x, y, hints));
    }

    function _bls12381Proofs(bytes32 digest) private view returns (bytes memory negated, bytes memory plain) {
        (uint256 xHi, uint256 xLo, uint256 yHi, uint256 yLo) = abi.decode(
            curve.hashToG1(digest),
            (uint256, uint256, uint256, uint256)
        );
        plain = abi.encodePacked(uint128(xHi), xLo, uint128(yHi), yLo);
        unchecked {
            // p − y, with borrow; y ≠ 0.
            uint256 negatedHi = Q_HI - yHi - (Q_LO < yLo ? 1 : 0);
            negated = abi.encodePacked(uint128(xHi), xLo, uint128(negatedHi), Q_LO - yLo);
        }
    }
}
