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

    /// An adversary who may choose the inverse chooses the candidates, and has honest roots for them.
    function testFuzz_HintsThatFitAWrongInverse(bytes32 digest, uint256 inverse) public view {
        inverse %= P;
        uint256[5] memory hints = _hints(digest);
        if (inverse == hints[0]) return;
        (uint256 u0, uint256 u1) = Bn254Reference.hashToField(abi.encodePacked(digest));
        uint256 inverse0 = mulmod(inverse, Bn254Reference.denominator(u1), P);
        uint256 inverse1 = mulmod(inverse, Bn254Reference.denominator(u0), P);
        (bool found0, uint256 y0, uint256 w0) = _fit(u0, inverse0);
        (bool found1, uint256 y1, uint256 w1) = _fit(u1, inverse1);
        if (!found0 || !found1) return;
        // They do fit: each map on its own takes them, because it takes the inverse for proven.
        (bool valid, , ) = harness.svdw(u0, inverse0, abi.encode(y0, w0));
        require(valid, "the forgery is no good");
        (valid, , ) = harness.svdw(u1, inverse1, abi.encode(y1, w1));
        require(valid, "the forgery is no good");
        (valid, , ) = harness.hashToG1(digest, abi.encode(inverse, y0, w0, y1, w1));
        require(!valid, "wrong inverse");
    }

    /// An adversary who would rather have another candidate that is on the curve, too, and has an honest root for it.
    function testFuzz_HintsThatFitAnotherCandidate(uint256 u, uint256 noise) public view {
        u %= P;
        (uint256 rx, ) = Bn254Reference.mapToCurve(u);
        (uint256 x1, uint256 x2, uint256 x3) = Bn254Reference.candidates(u);
        uint256 g1 = Bn254Reference.g(x1);
        uint256 right = Bn254Reference.root(P - g1);
        uint256[7] memory ws = [0, 1, noise, noise % P, Bn254Reference.root(g1), right, P - right];
        uint256[3] memory xs = [x1, x2, x3];
        for (uint256 i = 0; i < 3; i++) {
            // A root of g(x) or, where there is none, of −g(x).
            uint256 y = Bn254Reference.root(Bn254Reference.g(xs[i]));
            for (uint256 j = 0; j < ws.length; j++) {
                (bool valid, uint256 x, ) = harness.svdw(u, _inverse(u), abi.encode(y, ws[j]));
                require(!valid || x == rx, "another candidate");
            }
        }
    }

    /// y and w for the first candidate that is on the curve, if `inverse` were right.
    function _fit(uint256 u, uint256 inverse) private view returns (bool found, uint256 y, uint256 w) {
        (uint256 x1, uint256 x2, uint256 x3) = Bn254Reference.candidatesWith(u, inverse);
        uint256 g1 = Bn254Reference.g(x1);
        if (Bn254Reference.isSquare(g1)) return (true, Bn254Reference.root(g1), 0);
        w = Bn254Reference.root(P - g1);
        uint256 g2 = Bn254Reference.g(x2);
        if (Bn254Reference.isSquare(g2)) return (true, Bn254Reference.root(g2), w);
        uint256 g3 = Bn254Reference.g(x3);
        return (Bn254Reference.isSquare(g3), Bn254Reference.root(g3), w);
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
        return Bn254Reference.power(Bn254Reference.denominator(u), P - 2);
    }
}
