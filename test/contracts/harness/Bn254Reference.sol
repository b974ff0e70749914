// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title RFC 9380 for BN254, written to be read against the RFC
/// @notice A second implementation that shares no code with `Bn254`: bytes concatenated by Solidity, squareness and
/// roots by modular exponentiation, no witnesses. Used by tests only; a hash costs some 60,000 gas.
library Bn254Reference {
    uint256 internal constant P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    bytes internal constant DST = "BLS_SIG_BN254G1_XMD:KECCAK-256_SVDW_RO_NUL_";

    struct Hints {
        uint256 inverse;
        uint256 y0;
        uint256 w0;
        uint256 y1;
        uint256 w1;
    }

    /// @notice hash_to_curve (section 3), without the clearing of a cofactor that is 1
    function hashToG1(bytes memory message) internal view returns (uint256 x, uint256 y) {
        (uint256 u0, uint256 u1) = hashToField(message);
        (uint256 x0, uint256 y0) = mapToCurve(u0);
        (uint256 x1, uint256 y1) = mapToCurve(u1);
        (bool success, bytes memory sum) = address(6).staticcall(abi.encode(x0, y0, x1, y1));
        require(success && sum.length == 64, "addition");
        return abi.decode(sum, (uint256, uint256));
    }

    /// @notice hash_to_field (section 5.2), count = 2, L = 48
    function hashToField(bytes memory message) internal pure returns (uint256 u0, uint256 u1) {
        bytes memory uniform = expandMessage(message);
        return (toField(uniform, 0), toField(uniform, 48));
    }

    /// @notice expand_message_xmd (section 5.3.1), 96 bytes
    function expandMessage(bytes memory message) internal pure returns (bytes memory) {
        bytes memory dstPrime = abi.encodePacked(DST, uint8(DST.length));
        bytes32 b0 = keccak256(abi.encodePacked(new bytes(136), message, uint16(96), uint8(0), dstPrime));
        bytes32 b1 = keccak256(abi.encodePacked(b0, uint8(1), dstPrime));
        bytes32 b2 = keccak256(abi.encodePacked(b0 ^ b1, uint8(2), dstPrime));
        bytes32 b3 = keccak256(abi.encodePacked(b0 ^ b2, uint8(3), dstPrime));
        return abi.encodePacked(b1, b2, b3);
    }

    /// @notice OS2IP of 48 bytes, modulo p, a byte at a time
    function toField(bytes memory uniform, uint256 offset) internal pure returns (uint256 u) {
        for (uint256 i = 0; i < 48; i++) u = addmod(mulmod(u, 256, P), uint8(uniform[offset + i]), P);
    }

    /// @notice map_to_curve_svdw (appendix F.1), Z = 1
    function mapToCurve(uint256 u) internal view returns (uint256 x, uint256 y) {
        (uint256 x1, uint256 x2, uint256 x3) = candidates(u);
        if (isSquare(g(x1))) x = x1;
        else if (isSquare(g(x2))) x = x2;
        else x = x3;
        y = root(g(x));
        if (y % 2 != u % 2) y = P - y;
    }

    /// @notice What a submitter would send for a message
    function hintsFor(bytes memory message) internal view returns (Hints memory hints) {
        (uint256 u0, uint256 u1) = hashToField(message);
        hints.inverse = power(mulmod(denominator(u0), denominator(u1), P), P - 2);
        (hints.y0, hints.w0) = witnesses(u0);
        (hints.y1, hints.w1) = witnesses(u1);
    }

    function witnesses(uint256 u) internal view returns (uint256 y, uint256 w) {
        (, y) = mapToCurve(u);
        (uint256 x1, , ) = candidates(u);
        if (!isSquare(g(x1))) w = root(P - g(x1));
    }

    function candidates(uint256 u) internal view returns (uint256 x1, uint256 x2, uint256 x3) {
        return candidatesWith(u, power(denominator(u), P - 2));
    }

    /// @notice The candidates that would follow if `tv3` were the inverse
    function candidatesWith(uint256 u, uint256 tv3) internal view returns (uint256 x1, uint256 x2, uint256 x3) {
        uint256 tv1 = mulmod(mulmod(u, u, P), 4, P);
        uint256 tv2 = addmod(1, tv1, P);
        tv1 = addmod(1, P - tv1, P);
        uint256 c3 = root(P - 12);
        if (c3 % 2 != 0) c3 = P - c3;
        uint256 tv4 = mulmod(mulmod(mulmod(u, tv1, P), tv3, P), c3, P);
        uint256 c2 = P - power(2, P - 2);
        uint256 c4 = mulmod(P - 16, power(3, P - 2), P);
        x1 = addmod(c2, P - tv4, P);
        x2 = addmod(c2, tv4, P);
        x3 = mulmod(mulmod(tv2, tv2, P), tv3, P);
        x3 = addmod(mulmod(mulmod(x3, x3, P), c4, P), 1, P);
    }

    function denominator(uint256 u) internal pure returns (uint256) {
        uint256 tv1 = mulmod(mulmod(u, u, P), 4, P);
        return mulmod(addmod(1, tv1, P), addmod(1, P - tv1, P), P);
    }

    function g(uint256 x) internal pure returns (uint256) {
        return addmod(mulmod(mulmod(x, x, P), x, P), 3, P);
    }

    function isSquare(uint256 value) internal view returns (bool) {
        return value == 0 || power(value, (P - 1) / 2) == 1;
    }

    function root(uint256 value) internal view returns (uint256) {
        return power(value, (P + 1) / 4);
    }

    function power(uint256 base, uint256 exponent) internal view returns (uint256) {
        (bool success, bytes memory answer) = address(5).staticcall(
            abi.encode(uint256(32), uint256(32), uint256(32), base, exponent, P)
        );
        require(success && answer.length == 32, "exponentiation");
        return abi.decode(answer, (uint256));
    }
}
