// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {PrecompileGate} from "./PrecompileGate.sol";
import {Words} from "./Words.sol";

/// @title BLS signatures on BLS12-381 (EIP-2537)
/// @notice Suite BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_ (drand's quicknet): signatures in G1, keys in G2.
/// @dev A coordinate has 381 bits and takes two words in EIP-2537's encoding: 16 zero bytes and 48 big-endian ones. Here
/// such a pair is (hi, lo). Precompile addresses are those of the final EIP (drafts had others), which `selfTest`
/// proves on the chain at hand.
library Bls12381 {
    address internal constant SHA_256 = address(0x02);
    address internal constant G1_ADD = address(0x0b);
    address internal constant PAIRING = address(0x0f);
    address internal constant MAP_FP_TO_G1 = address(0x10);

    /// @dev The pairing check's input: hashed digest (4 words) ‖ key (8) ‖ signature (4) ‖ −G2 (8).
    uint256 private constant PAIRING_BYTES = 768;
    /// @dev Where the key lies in it.
    uint256 internal constant KEY_OFFSET = 0x80;

    /// @dev Base field modulus p.
    uint256 internal constant P_HI = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 internal constant P_LO = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    /// @dev ⌊2^512 / p⌋, for Barrett reduction; what the floor cuts off is 0.107….
    uint256 private constant MU = 0x9d835d2f3cc9e45ce28101b0cc7a6ba29;

    /// @dev Generator of G2, negated: e(S, −G2)·e(H, K) = 1 is the BLS check. Real limb first, as EIP-2537 has it.
    uint256 private constant NEG_G2_X0_HI = 0x024aa2b2f08f0a91260805272dc51051;
    uint256 private constant NEG_G2_X0_LO = 0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8;
    uint256 private constant NEG_G2_X1_HI = 0x13e02b6052719f607dacd3a088274f65;
    uint256 private constant NEG_G2_X1_LO = 0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e;
    uint256 private constant NEG_G2_Y0_HI = 0x0d1b3cc2c7027888be51d9ef691d77bc;
    uint256 private constant NEG_G2_Y0_LO = 0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa;
    uint256 private constant NEG_G2_Y1_HI = 0x13fa4d4a0ad8b1ce186ed5061789213d;
    uint256 private constant NEG_G2_Y1_LO = 0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed;

    /// @dev H(0), the hash of 32 zero bytes, computed elsewhere (@noble/curves): a known point for the self-test.
    uint256 private constant H0_X_HI = 0x025bd9e90e0b4794aaebee6d23c6efec;
    uint256 private constant H0_X_LO = 0x34edff5490aaadb3b45e236a411c6b479d9c20d2668ecaf09c7f470d7004f427;
    uint256 private constant H0_Y_HI = 0x0bbea5d452ca114248c2ec8169811bc3;
    uint256 private constant H0_Y_LO = 0xc05413d11f858dc8975c98b418bb4b67ebf5f545da824b3a4e8ed593744b6be2;
    /// @dev y of −H(0).
    uint256 private constant NEG_H0_Y_HI = 0x0e426c15e6b5d5580258bb34d9ca9113;
    uint256 private constant NEG_H0_Y_LO = 0xa42337b3d3ff84f6cfd439ecddf5aabc32b60ab8d6d1b4c56b702a6c8bb43ec9;

    /// @dev l_i_b_str (128 as two bytes) ‖ 0x00 ‖ DST ‖ length of DST: what follows the message in expand_message_xmd.
    uint256 private constant XMD_SUFFIX_0 = 0x008000424c535f5349475f424c53313233383147315f584d443a5348412d3235;
    uint256 private constant XMD_SUFFIX_1 = 0x365f535357555f524f5f4e554c5f2b0000000000000000000000000000000000;

    /// @notice Whether the key signed the digest.
    /// @dev What the cheap checks let through may still be off the curve or outside the subgroup; the pairing
    /// precompile refuses both, which is why it is called through `tryPairing`.
    /// @param digest 32-byte message
    /// @param proof Calldata position of 96 bytes: signature x ‖ y, 48 bytes each
    /// @param pairs Memory position of PAIRING_BYTES; the key, which has passed `isKey`, lies at KEY_OFFSET
    function verify(bytes32 digest, uint256 proof, uint256 pairs) internal view returns (bool) {
        unchecked {
            uint256 xHi = Words.input(proof) >> 128;
            uint256 xLo = Words.input(proof + 0x10);
            uint256 yHi = Words.input(proof + 0x30) >> 128;
            uint256 yLo = Words.input(proof + 0x40);
            if (!isReduced(xHi, xLo) || !isReduced(yHi, yLo)) return false;
            // The identity is written as zeros.
            if (xHi | xLo | yHi | yLo == 0) return false;
            hashToG1(digest, pairs, pairs + 0x180);
            Words.store(pairs + 0x180, xHi, xLo, yHi, yLo);
            storeNegatedG2(pairs + 0x200);
        }
        return PrecompileGate.tryPairing(PAIRING, pairs, PAIRING_BYTES);
    }

    /// @notice H(digest), 128 bytes in EIP-2537's encoding, written to memory at `point`; 256 bytes at `work` are
    /// overwritten.
    function hashToG1(bytes32 digest, uint256 point, uint256 work) internal view {
        (uint256 hi0, uint256 lo0, uint256 hi1, uint256 lo1) = hashToField(digest, work);
        mapToG1(hi0, lo0, hi1, lo1, point, work);
    }

    /// @notice map(u₀) + map(u₁) for two reduced field elements. EIP-2537's map clears the cofactor, too.
    function mapToG1(uint256 hi0, uint256 lo0, uint256 hi1, uint256 lo1, uint256 point, uint256 work) internal view {
        unchecked {
            // In place: 64 bytes in, 128 bytes out.
            Words.store(work, hi0, lo0);
            PrecompileGate.callExact(MAP_FP_TO_G1, work, 0x40, work, 0x80);
            Words.store(work + 0x80, hi1, lo1);
            PrecompileGate.callExact(MAP_FP_TO_G1, work + 0x80, 0x40, work + 0x80, 0x80);
        }
        PrecompileGate.callExact(G1_ADD, work, 0x100, point, 0x80);
    }

    /// @notice hash_to_field (RFC 9380 section 5.2): two field elements, 64 uniform bytes each, reduced.
    /// @dev Overwrites 143 bytes at `buffer`: Z_pad (64) ‖ digest (32) ‖ XMD_SUFFIX (47). The later blocks,
    /// x (32) ‖ i (1) ‖ DST′ (44), are made in place at 66: DST′ already lies where they need it.
    function hashToField(
        bytes32 digest,
        uint256 buffer
    ) internal view returns (uint256 hi0, uint256 lo0, uint256 hi1, uint256 lo1) {
        unchecked {
            Words.store(buffer, 0, 0, uint256(digest), XMD_SUFFIX_0);
            Words.store(buffer + 0x80, XMD_SUFFIX_1);
            uint256 b0 = sha256At(buffer, 143);
            uint256 next = buffer + 66;
            uint256 b1 = xmdBlock(next, b0, 1);
            uint256 b2 = xmdBlock(next, b0 ^ b1, 2);
            (hi0, lo0) = reduce(b1, b2);
            b1 = xmdBlock(next, b0 ^ b2, 3);
            b2 = xmdBlock(next, b0 ^ b1, 4);
            (hi1, lo1) = reduce(b1, b2);
        }
    }

    /// @notice (hi·2^256 + lo) mod p, by Barrett: 130 gas instead of 600 for the precompile and its call.
    /// @dev q = ⌊hi·MU / 2^256⌋ falls short of the true quotient x/p by less than hi/2^256·0.108 + lo/p + 1 < 1.2, so
    /// that what remains is below 2p (as an integer, q is the floor or one less) and one subtraction is enough.
    function reduce(uint256 hi, uint256 lo) internal pure returns (uint256 restHi, uint256 restLo) {
        assembly ("memory-safe") {
            // q = high word of hi·MU: the product mod 2^256 − 1, minus the low word, minus the borrow.
            let low := mul(hi, MU)
            let folded := mulmod(hi, MU, not(0))
            let q := sub(sub(folded, low), lt(folded, low))
            // q·p: low word; high word from the product with P_LO in the same way, plus q·P_HI, which fits.
            low := mul(q, P_LO)
            folded := mulmod(q, P_LO, not(0))
            let high := add(sub(sub(folded, low), lt(folded, low)), mul(q, P_HI))
            // x − q·p, with borrow.
            restLo := sub(lo, low)
            restHi := sub(sub(hi, high), lt(lo, low))
        }
        if (!isReduced(restHi, restLo)) {
            assembly ("memory-safe") {
                // Minus p, with borrow.
                restHi := sub(sub(restHi, P_HI), lt(restLo, P_LO))
                restLo := sub(restLo, P_LO)
            }
        }
    }

    /// @notice Whether hi·2^256 + lo is below p
    function isReduced(uint256 hi, uint256 lo) internal pure returns (bool reduced) {
        assembly ("memory-safe") {
            // Word by word, without branches: they would cost more than the comparisons.
            reduced := or(lt(hi, P_HI), and(eq(hi, P_HI), lt(lo, P_LO)))
        }
    }

    /// @notice Whether a 256-byte string is a point of G2 other than the identity.
    /// @dev e(G, K)·e(−G, K) = 1 holds for every K in G2, and EIP-2537 makes the precompile refuse coordinates ≥ p,
    /// non-zero padding, and points off the curve or outside the subgroup.
    function isKey(bytes memory key) internal view returns (bool) {
        return !isIdentity(key) && cancels(key, NEG_H0_Y_HI, NEG_H0_Y_LO);
    }

    /// @notice Whether a 256-byte string is how EIP-2537 writes the identity: zeros
    function isIdentity(bytes memory key) internal pure returns (bool) {
        return keccak256(key) == keccak256(new bytes(256));
    }

    /// @notice Whether all four precompiles exist here, at these addresses, and answer rightly about known points
    function selfTest() internal view returns (bool) {
        uint256 work = Words.free();
        hashToG1(0, work, work);
        if (Words.load(work) != H0_X_HI || Words.load(work + 0x20) != H0_X_LO) return false;
        if (Words.load(work + 0x40) != H0_Y_HI || Words.load(work + 0x60) != H0_Y_LO) return false;

        bytes memory key = new bytes(256);
        storeNegatedG2(Words.inMemory(key));
        // e(H, −G2)·e(−H, −G2) = 1, but e(H, −G2)² ≠ 1: one that says the same to everything is found out.
        return cancels(key, NEG_H0_Y_HI, NEG_H0_Y_LO) && !cancels(key, H0_Y_HI, H0_Y_LO);
    }

    /// @dev e(H(0), K)·e((x of H(0), y), K) = 1, where y makes the second point H(0) or −H(0).
    function cancels(bytes memory key, uint256 yHi, uint256 yLo) private view returns (bool) {
        uint256 pairs = Words.free();
        Words.store(pairs, H0_X_HI, H0_X_LO, H0_Y_HI, H0_Y_LO);
        Words.copy(pairs + KEY_OFFSET, Words.inMemory(key), 256);
        Words.store(pairs + 0x180, H0_X_HI, H0_X_LO, yHi, yLo);
        Words.copy(pairs + 0x180 + KEY_OFFSET, Words.inMemory(key), 256);
        return PrecompileGate.tryPairing(PAIRING, pairs, PAIRING_BYTES);
    }

    /// @dev 256 bytes of memory.
    function storeNegatedG2(uint256 position) private pure {
        unchecked {
            Words.store(position, NEG_G2_X0_HI, NEG_G2_X0_LO, NEG_G2_X1_HI, NEG_G2_X1_LO);
            Words.store(position + 0x80, NEG_G2_Y0_HI, NEG_G2_Y0_LO, NEG_G2_Y1_HI, NEG_G2_Y1_LO);
        }
    }

    /// @dev b_i = H(x ‖ i ‖ DST′); DST′ lies behind already.
    function xmdBlock(uint256 position, uint256 x, uint256 i) private view returns (uint256) {
        assembly ("memory-safe") {
            // x,
            mstore(position, x)
            // then the block's number in one byte.
            mstore8(add(position, 0x20), i)
        }
        return sha256At(position, 77);
    }

    /// @dev SHA-256 of memory. Overwrites the first scratch word.
    function sha256At(uint256 position, uint256 size) private view returns (uint256) {
        PrecompileGate.callExact(SHA_256, position, size, 0x00, 0x20);
        return Words.load(0x00);
    }
}
