// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Addresses that follow from who creates and how often
/// @notice The last 20 bytes of keccak(rlp(creator, nonce)). A contract's nonce is 1 when its constructor starts (EIP-161) and
/// rises with every contract it creates. Knowing an address this way costs a hash; reading it from storage costs ten times that.
library CreatedAddress {
    function derive(address creator, uint16 nonce) internal pure returns (address) {
        bytes memory rlp;
        // RLP: a list (0xc0 + its length) of a 20-byte string (0x80 + 20) and the integer without leading zeros.
        if (nonce < 0x80) rlp = abi.encodePacked(hex"d694", creator, uint8(nonce));
        else if (nonce < 0x100) rlp = abi.encodePacked(hex"d794", creator, hex"81", uint8(nonce));
        else rlp = abi.encodePacked(hex"d894", creator, hex"82", nonce);
        return address(uint160(uint256(keccak256(rlp))));
    }
}
