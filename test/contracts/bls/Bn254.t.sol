// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Bn254Reference} from "../harness/Bn254Reference.sol";
import {Bn254Harness} from "../harness/CurveHarness.sol";

/// @notice For any hints the library refuses or returns exactly the point of RFC 9380, which `Bn254Reference` computes
/// without hints.
contract Bn254Test {
    uint256 private constant P = Bn254Reference.P;
    Bn254Harness private harness;

    function setUp() public {
        harness = new Bn254Harness();
    }

    function testFuzz_FieldElementsAreThoseOfTheReference(bytes32 digest) public view {
        (uint256 u0, uint256 u1) = harness.hashToField(digest);
        (uint256 v0, uint256 v1) = Bn254Reference.hashToField(abi.encodePacked(digest));
        require(u0 == v0 && u1 == v1, "field elements differ");
    }

    function testFuzz_RightHintsGiveThePointOfTheReference(bytes32 digest) public view {
        (bool valid, uint256 x, uint256 y) = harness.hashToG1(
            digest,
            abi.encode(Bn254Reference.hintsFor(abi.encodePacked(digest)))
        );
        (uint256 rx, uint256 ry) = Bn254Reference.hashToG1(abi.encodePacked(digest));
        require(valid && x == rx && y == ry, "points differ");
    }

    /// One hint replaced by anything.
    function testFuzz_OneWrongHintNeverGivesAnotherPoint(bytes32 digest, uint256 index, uint256 value) public view {
        uint256[5] memory hints = _hints(digest);
        index %= 5;
        uint256 right = hints[index];
        hints[index] = value;
        bool valid = _neverAnotherPoint(digest, hints);
        // An inverse has one value; a root of y or w has two.
        bool harmless = value == right || (index != 0 && right != 0 && value == P - right);
        require(valid == harmless, "verdict");
    }

    /// Hints near the right ones: what a careless reduction or sign would let through.
    function testFuzz_NeighboursOfTheRightHintsNeverGiveAnotherPoint(bytes32 digest, uint256 moves) public view {
        uint256[5] memory hints = _hints(digest);
        for (uint256 i = 0; i < 5; i++) {
            uint256 move = (moves >> (8 * i)) % 7;
            unchecked {
                if (move == 1) hints[i] += P;
                if (move == 2) hints[i] = P - hints[i];
                if (move == 3) hints[i] = 0;
                if (move == 4) hints[i] += 1;
                if (move == 5) hints[i] = 2 * P - hints[i];
            }
        }
        _neverAnotherPoint(digest, hints);
    }

    function testFuzz_AnyHintsNeverGiveAnotherPoint(bytes32 digest, uint256[5] memory hints) public view {
        require(!_neverAnotherPoint(digest, hints), "random hints cannot be right");
    }

    /// A map on its own, for any field element and not only those that digests lead to.
    function testFuzz_MapIsThatOfTheReference(uint256 u, uint256 y, uint256 w, bool flip) public view {
        u %= P;
        (uint256 rx, uint256 ry) = Bn254Reference.mapToCurve(u);
        (uint256 hintY, uint256 hintW) = Bn254Reference.witnesses(u);
        if (flip) hintY = P - hintY;
        uint256 inverse = _inverse(u);
        (bool valid, uint256 x1, uint256 y1) = harness.svdw(u, inverse, abi.encode(hintY, hintW));
        require(valid && x1 == rx && y1 == ry, "map differs");
        (valid, x1, y1) = harness.svdw(u, inverse, abi.encode(y, w));
        require(!valid || (x1 == rx && y1 == ry), "another point");
        (valid, x1, y1) = harness.svdw(u, inverse, abi.encode(hintY, w));
        require(!valid || (x1 == rx && y1 == ry), "another point");
        (valid, x1, y1) = harness.svdw(u, inverse, abi.encode(y, hintW));
        require(!valid || (x1 == rx && y1 == ry), "another point");
    }

    /// The three candidates' other roots: the wrong candidate with an honest root of its own must not pass.
    function testFuzz_AnotherCandidateIsRefused(uint256 u) public view {
        u %= P;
        (uint256 rx, ) = Bn254Reference.mapToCurve(u);
        (uint256 hintY, uint256 hintW) = Bn254Reference.witnesses(u);
        uint256 inverse = _inverse(u);
        // Claiming the first candidate where it is out, and claiming it is out where it is not.
        uint256 claimed = hintW == 0 ? hintY : 0;
        (bool valid, uint256 x, ) = harness.svdw(u, inverse, abi.encode(hintY, claimed));
        require(!valid || x == rx, "another candidate");
        require(hintW == 0 ? !valid || claimed == 0 : !valid, "verdict");
    }

    function _neverAnotherPoint(bytes32 digest, uint256[5] memory hints) private view returns (bool valid) {
        uint256 x;
        uint256 y;
        (valid, x, y) = harness.hashToG1(digest, abi.encode(hints));
        (uint256 rx, uint256 ry) = Bn254Reference.hashToG1(abi.encodePacked(digest));
        require(!valid || (x == rx && y == ry), "another point");
    }

    function _hints(bytes32 digest) private view returns (uint256[5] memory) {
        Bn254Reference.Hints memory hints = Bn254Reference.hintsFor(abi.encodePacked(digest));
        return [hints.inverse, hints.y0, hints.w0, hints.y1, hints.w1];
    }

    function _inverse(uint256 u) private view returns (uint256) {
        uint256 tv = mulmod(mulmod(u, u, P), 4, P);
        uint256 product = mulmod(addmod(1, tv, P), addmod(1, P - tv, P), P);
        (, bytes memory answer) = address(5).staticcall(
            abi.encode(uint256(32), uint256(32), uint256(32), product, P - 2, P)
        );
        return abi.decode(answer, (uint256));
    }
}
