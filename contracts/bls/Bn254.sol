// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {PrecompileGate} from "./PrecompileGate.sol";
import {Words} from "./Words.sol";

/// @title BLS signatures on BN254 (alt_bn128, EIP-196/197), hashing with witnesses
/// @notice Suite BLS_SIG_BN254G1_XMD:KECCAK-256_SVDW_RO_NUL_ (drand's evmnet): signatures in G1, keys in G2.
/// @dev Hashing to G1 (RFC 9380 with the map of section 6.6.1, Z = 1) costs about 53,000 gas of modular exponentiation,
/// all of it for one inverse, two square roots and the tests which candidate is a square. Whoever submits the
/// signature supplies these as witnesses and each is checked with a multiplication or two. Nobody is trusted: for any
/// witnesses the result is either a refusal or exactly the point of the RFC.
///
/// Why one root `w` of −g(x₁) is enough: p ≡ 3 (mod 4) makes −1 a non-square, so w² = −g(x₁) proves g(x₁) non-square
/// (g has no root mod p, so zero cannot occur). The map guarantees χ(g(x₁))·χ(g(x₂))·χ(g(x₃)) = 1, hence exactly one of
/// g(x₂), g(x₃) is a square, and a root `y` of it settles which.
///
/// Functions take memory and calldata positions instead of arrays: all of this is about the layout of one pairing input.
library Bn254 {
    /// @dev Base field modulus p ≡ 3 (mod 4). 4p + 1 < 2^256, which the map uses.
    uint256 internal constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    address internal constant EC_ADD = address(0x06);
    address internal constant EC_PAIRING = address(0x08);

    /// @dev The pairing check's input: hashed digest (2 words) ‖ key (4) ‖ signature (2) ‖ −G2 (4).
    uint256 private constant PAIRING_BYTES = 384;
    /// @dev Where the key lies in it.
    uint256 internal constant KEY_OFFSET = 0x40;

    /// @dev Generator of G2, negated, in EIP-197 order (imaginary limb first): e(S, −G2)·e(H, K) = 1 is the BLS check.
    uint256 internal constant NEG_G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 internal constant NEG_G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 internal constant NEG_G2_Y1 = 0x275dc4a288d1afb3cbb1ac09187524c7db36395df7be3b99e673b13a075a65ec;
    uint256 internal constant NEG_G2_Y0 = 0x1d9befcd05a5323e6da4d435f3b617cdb3af83285c2df711ef39c01571827f9d;

    /// @dev 2·(1, 2), for the self-test.
    uint256 private constant TWO_G_X = 0x030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3;
    uint256 private constant TWO_G_Y = 0x15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4;

    /// @dev Makes 1 − 4u² non-negative for 4u² < 4p.
    uint256 private constant FOUR_P_PLUS_1 = 0xc19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f51d;
    /// @dev c2 = −Z/2 = −1/2.
    uint256 private constant C2 = 0x183227397098d014dc2822db40c0ac2ecbc0b548b438e5469e10460b6c3e7ea3;
    /// @dev c3 = √(−g(Z)·3Z²) = √−12, the even root.
    uint256 private constant C3 = 0x16789af3a83522eb353c98fc6b36d713d5d8d1cc5dffffffa;
    /// @dev c4 = −4·g(Z)/(3Z²) = −16/3.
    uint256 private constant C4 = 0x10216f7ba065e00de81ac1e7808072c9dd2b2385cd7b438469602eb24829a9bd;
    /// @dev 2^256 mod p.
    uint256 private constant TWO_256 = 0x0e0a77c19a07df2f666ea36f7879462c0a78eb28f5c70b3dd35d438dc58f0d9d;

    /// @dev l_i_b_str (96 as two bytes) ‖ 0x00 ‖ DST ‖ length of DST: what follows the message in expand_message_xmd.
    bytes32 private constant XMD_SUFFIX_0 = 0x006000424c535f5349475f424e32353447315f584d443a4b454343414b2d3235;
    bytes32 private constant XMD_SUFFIX_1 = 0x365f535644575f524f5f4e554c5f2b0000000000000000000000000000000000;

    /// @notice Whether the key signed the digest.
    /// @dev The key has passed `isKey`, and whatever else goes into the pairing is checked or made here: the precompile
    /// cannot refuse its input, so a failing call can only mean out of gas.
    /// @param digest 32-byte message
    /// @param proof Calldata position of 7 words: signature x, y, and the five witnesses of `hashToG1`
    /// @param pairs Memory position of the pairing's input, 407 bytes with work space; the key lies at KEY_OFFSET
    function verify(bytes32 digest, uint256 proof, uint256 pairs) internal view returns (bool) {
        unchecked {
            uint256 x = Words.input(proof);
            uint256 y = Words.input(proof + 0x20);
            if (!isOnCurve(x, y)) return false;
            if (!hashToG1(digest, proof + 0x40, pairs, pairs + 0xc0)) return false;
            Words.store(pairs + 0xc0, x, y);
            Words.store(pairs + 0x100, NEG_G2_X1, NEG_G2_X0, NEG_G2_Y1, NEG_G2_Y0);
        }
        PrecompileGate.callExact(EC_PAIRING, pairs, PAIRING_BYTES, 0x00, 0x20);
        // Exactly 1, not merely non-zero.
        return Words.load(0x00) == 1;
    }

    /// @notice Whether a 128-byte string is a point of G2 other than the identity.
    /// @dev e(G, K)·e(−G, K) = 1 holds for every K in G2, and EIP-197 makes the precompile refuse coordinates ≥ p and
    /// points off the curve or outside the subgroup.
    function isKey(bytes memory key) internal view returns (bool) {
        return !isIdentity(key) && cancels(key, P - 2);
    }

    /// @notice Whether a 128-byte string is how EIP-197 writes the identity: zeros
    function isIdentity(bytes memory key) internal pure returns (bool) {
        return keccak256(key) == keccak256(new bytes(128));
    }

    /// @notice Whether both precompiles exist here and answer rightly about known points
    function selfTest() internal view returns (bool) {
        bytes memory key = abi.encode(NEG_G2_X1, NEG_G2_X0, NEG_G2_Y1, NEG_G2_Y0);
        // e(G, −G2)·e(−G, −G2) = 1, but e(G, −G2)² ≠ 1: one that says the same to everything is found out.
        if (!cancels(key, P - 2) || cancels(key, 2)) return false;

        uint256 sum = Words.free();
        Words.store(sum, 1, 2, 1, 2);
        PrecompileGate.callExact(EC_ADD, sum, 0x80, sum, 0x40);
        return Words.load(sum) == TWO_G_X && Words.load(sum + 0x20) == TWO_G_Y;
    }

    /// @dev e((1, 2), K)·e((1, y), K) = 1, where y is 2 or −2.
    function cancels(bytes memory key, uint256 y) private view returns (bool) {
        uint256 pairs = Words.free();
        Words.store(pairs, 1, 2);
        Words.copy(pairs + KEY_OFFSET, Words.inMemory(key), 128);
        Words.store(pairs + 0xc0, 1, y);
        Words.copy(pairs + 0xc0 + KEY_OFFSET, Words.inMemory(key), 128);
        return PrecompileGate.tryPairing(EC_PAIRING, pairs, PAIRING_BYTES);
    }

    /// @notice Whether (x, y) is a point of G1 other than the identity, which EIP-196 writes as (0, 0). The cofactor is
    /// 1: on the curve is in the group. Coordinates ≥ p are refused.
    function isOnCurve(uint256 x, uint256 y) internal pure returns (bool onCurve) {
        assembly ("memory-safe") {
            // y² = x³ + 3
            onCurve := eq(mulmod(y, y, P), addmod(mulmod(mulmod(x, x, P), x, P), 3, P))
            // Coordinates are reduced.
            onCurve := and(onCurve, and(lt(x, P), lt(y, P)))
        }
    }

    /// @notice H(digest), written to memory as x ‖ y at `point`; false if a witness is wrong.
    /// @dev No witness passes for u = ±1/2, where the RFC's inv0 is needed: one digest in 2^252, which nobody can find.
    /// @param hints Calldata position of 5 words, each below p:
    /// inverse of (1 − 16u₀⁴)(1 − 16u₁⁴), then y and w of the map of u₀, then y and w of the map of u₁; see `svdw`
    /// @param point Memory position of the result, 64 bytes
    /// @param work Memory position of 215 bytes to work in
    function hashToG1(bytes32 digest, uint256 hints, uint256 point, uint256 work) internal view returns (bool) {
        (uint256 u0, uint256 u1) = hashToField(digest, work);
        bool valid;
        unchecked {
            // 4u² < 4p, left unreduced; so are 1 + 4u² and 4p + 1 − 4u², which all stay below 2^256.
            uint256 s0 = mulmod(u0, u0, P) << 2;
            uint256 s1 = mulmod(u1, u1, P) << 2;
            uint256 d0 = mulmod(1 + s0, FOUR_P_PLUS_1 - s0, P);
            uint256 d1 = mulmod(1 + s1, FOUR_P_PLUS_1 - s1, P);
            uint256 inverse = Words.input(hints);
            bool valid0 = svdw(u0, s0, mulmod(inverse, d1, P), hints + 0x20, work);
            bool valid1 = svdw(u1, s1, mulmod(inverse, d0, P), hints + 0x60, work + 0x40);
            assembly ("memory-safe") {
                // The product is zero only for u = ±1/2, and then nothing passes.
                valid := and(lt(inverse, P), eq(mulmod(mulmod(d0, d1, P), inverse, P), 1))
                // Nothing was used yet that these three do not vouch for.
                valid := and(valid, and(valid0, valid1))
            }
        }
        if (!valid) return false;
        // Both points are on the curve, so this can only fail for want of gas.
        PrecompileGate.callExact(EC_ADD, work, 0x80, point, 0x40);
        return true;
    }

    /// @notice hash_to_field (RFC 9380 section 5.2): two field elements, 48 uniform bytes each, reduced.
    /// @dev Overwrites 215 bytes at `buffer`: Z_pad (136) ‖ digest (32) ‖ XMD_SUFFIX (47). The later blocks,
    /// x (32) ‖ i (1) ‖ DST′ (44), are made in place at 138: DST′ already lies where they need it.
    function hashToField(bytes32 digest, uint256 buffer) internal pure returns (uint256 u0, uint256 u1) {
        assembly ("memory-safe") {
            // Z_pad: reading calldata past its end gives zeros.
            calldatacopy(buffer, calldatasize(), 136)
            // The message,
            mstore(add(buffer, 136), digest)
            // and what follows it.
            mstore(add(buffer, 168), XMD_SUFFIX_0)
            mstore(add(buffer, 200), XMD_SUFFIX_1)
            let b0 := keccak256(buffer, 215)

            // b1 = H(b0 ‖ 1 ‖ DST')
            let next := add(buffer, 138)
            mstore(next, b0)
            mstore8(add(buffer, 170), 1)
            let b1 := keccak256(next, 77)

            // b2 = H((b0 xor b1) ‖ 2 ‖ DST')
            mstore(next, xor(b0, b1))
            mstore8(add(buffer, 170), 2)
            let b2 := keccak256(next, 77)

            // b3 = H((b0 xor b2) ‖ 3 ‖ DST')
            mstore(next, xor(b0, b2))
            mstore8(add(buffer, 170), 3)
            let b3 := keccak256(next, 77)

            // u0 = b1 ‖ first half of b2 = b1·2^128 + (b2 >> 128)
            u0 := addmod(mulmod(b1, shl(128, 1), P), shr(128, b2), P)
            // u1 = second half of b2 ‖ b3 = (b2 mod 2^128)·2^256 + b3
            u1 := addmod(mulmod(and(b2, sub(shl(128, 1), 1)), TWO_256, P), b3, P)
        }
    }

    /// @notice map_to_curve_svdw(u) of RFC 9380, given witnesses; the point is written to memory as x ‖ y at `point`.
    /// @dev In assembly because branches and stack moves cost more than the arithmetic. `valid` collects every check.
    /// @param u Field element, reduced
    /// @param s 4u², unreduced, below 4p
    /// @param inverse Proven to be (1 − 16u⁴)⁻¹
    /// @param hints Calldata position of y, a root of g at the candidate that counts, either one; and of w, 0 if that is
    /// the first candidate and else a root of −g(x₁)
    function svdw(
        uint256 u,
        uint256 s,
        uint256 inverse,
        uint256 hints,
        uint256 point
    ) internal pure returns (bool valid) {
        assembly ("memory-safe") {
            let y := calldataload(hints)
            let w := calldataload(add(hints, 0x20))
            let square := mulmod(y, y, P)
            // tv4 = u·(1 − 4u²)·inverse·c3
            let tv4 := mulmod(mulmod(mulmod(u, C3, P), sub(FOUR_P_PLUS_1, s), P), inverse, P)
            // x1 = c2 − tv4
            let x := addmod(C2, sub(P, tv4), P)
            // g(x1) = x1³ + 3
            let g := addmod(mulmod(mulmod(x, x, P), x, P), 3, P)
            switch w
            case 0 {
                // y is a root of g(x1): the first candidate counts.
                valid := eq(square, g)
            }
            default {
                // w² = −g(x1): the first candidate is out. Both terms are reduced and g(x1) ≠ 0, so their sum is p.
                valid := and(eq(add(mulmod(w, w, P), g), P), lt(w, P))
                // x2 = c2 + tv4
                x := addmod(C2, tv4, P)
                // g(x2)
                g := addmod(mulmod(mulmod(x, x, P), x, P), 3, P)
                if xor(square, g) {
                    // tv5 = (1 + 4u²)²·inverse
                    let tv5 := mulmod(mulmod(add(s, 1), add(s, 1), P), inverse, P)
                    // x3 = Z + c4·tv5²
                    x := addmod(mulmod(mulmod(tv5, tv5, P), C4, P), 1, P)
                    // g(x3)
                    g := addmod(mulmod(mulmod(x, x, P), x, P), 3, P)
                    // y is a root of g(x3), or of nothing.
                    valid := and(valid, eq(square, g))
                }
            }
            // One encoding of y.
            valid := and(valid, lt(y, P))
            mstore(point, x)
            // The root with sgn0(y) = sgn0(u). y ≠ 0, so p − y is reduced, and of the other parity.
            if and(xor(u, y), 1) {
                y := sub(P, y)
            }
            mstore(add(point, 0x20), y)
        }
    }
}
