// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Bn254} from "../../../contracts/bls/Bn254.sol";
import {PrecompileGate} from "../../../contracts/bls/PrecompileGate.sol";
import {IVerifier} from "../../../contracts/interfaces/IVerifier.sol";
import {Bn254Verifier} from "../../../contracts/verifiers/Bn254Verifier.sol";
import {Bn254Reference} from "../harness/Bn254Reference.sol";

/// @dev The cheatcodes this test needs; Hardhat provides them at a fixed address.
interface Vm {
    function mockCall(address callee, bytes calldata data, bytes calldata returned) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata returned) external;
    function clearMockedCalls() external;
}

/// @notice BN254's precompiles exist on every chain we can run, so their answers are falsified from outside: absent (no
/// data), one byte short or long, always yes, always no, a wrong sum, a refusal.
contract FalsifiedPrecompilesTest {
    Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    bytes32 private constant DIGEST = keccak256("digest");
    /// @dev Selector of a revert that was not expected to happen.
    bytes4 private constant NONE = 0;

    function test_AnHonestChainIsAccepted() public {
        require(_deploymentError() == NONE, "honest chain");
    }

    function test_APairingThatSaysTheSameToEverythingIsFoundOut() public {
        for (uint256 answer = 0; answer < 3; answer++) {
            VM.mockCall(Bn254.EC_PAIRING, "", abi.encode(answer));
            require(_deploymentError() == IVerifier.SelfTestFailed.selector, "pairing");
            VM.clearMockedCalls();
        }
    }

    function test_AnAbsentPairingIsFoundOut() public {
        for (uint256 size = 0; size < 70; size++) {
            if (size == 32) continue;
            VM.mockCall(Bn254.EC_PAIRING, "", _ones(size));
            require(_deploymentError() == PrecompileGate.PrecompileAbsent.selector, "pairing");
            VM.clearMockedCalls();
        }
    }

    function test_AnAdditionThatIsWrongIsFoundOut() public {
        uint256 x = 0x030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3;
        uint256 y = 0x15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4;
        uint256[2][3] memory wrong = [[x, y + 1], [x + 1, y], [uint256(1), uint256(2)]];
        for (uint256 i = 0; i < wrong.length; i++) {
            VM.mockCall(Bn254.EC_ADD, "", abi.encode(wrong[i]));
            require(_deploymentError() == IVerifier.SelfTestFailed.selector, "addition");
            VM.clearMockedCalls();
        }
        for (uint256 size = 0; size < 130; size++) {
            if (size == 64) continue;
            VM.mockCall(Bn254.EC_ADD, "", _ones(size));
            require(_deploymentError() == PrecompileGate.PrecompileAbsent.selector, "addition");
            VM.clearMockedCalls();
        }
    }

    function test_AVerifierThatLosesAPrecompileRevertsInsteadOfAnswering() public {
        IVerifier verifier = new Bn254Verifier(_key());
        bytes memory proof = _proof();
        require(verifier.verify(DIGEST, proof), "honest chain");
        address[2] memory precompiles = [Bn254.EC_ADD, Bn254.EC_PAIRING];
        for (uint256 i = 0; i < precompiles.length; i++) {
            for (uint256 size = 0; size < 130; size++) {
                if (size == (i == 0 ? 64 : 32)) continue;
                VM.mockCall(precompiles[i], "", _ones(size));
                require(_verdictError(verifier, proof) == PrecompileGate.PrecompileAbsent.selector, "length");
                VM.clearMockedCalls();
            }
            // All inputs are known to be good, so a refusal is a lack of gas and never a verdict.
            VM.mockCallRevert(precompiles[i], "", "");
            require(_verdictError(verifier, proof) == PrecompileGate.PrecompileOutOfGas.selector, "refusal");
            VM.clearMockedCalls();
        }
    }

    function test_OnlyOneIsYes() public {
        IVerifier verifier = new Bn254Verifier(_key());
        bytes memory proof = _proof();
        uint256[4] memory answers = [uint256(0), 2, 1 << 255, type(uint256).max];
        for (uint256 i = 0; i < answers.length; i++) {
            VM.mockCall(Bn254.EC_PAIRING, "", abi.encode(answers[i]));
            require(!verifier.verify(DIGEST, proof), "not one");
            VM.clearMockedCalls();
        }
    }

    function deploy() external returns (IVerifier) {
        return new Bn254Verifier(_key());
    }

    function _deploymentError() private returns (bytes4) {
        try this.deploy() returns (IVerifier) {
            return NONE;
        } catch (bytes memory reason) {
            return bytes4(reason);
        }
    }

    function _verdictError(IVerifier verifier, bytes memory proof) private view returns (bytes4) {
        try verifier.verify(DIGEST, proof) returns (bool) {
            return NONE;
        } catch (bytes memory reason) {
            return bytes4(reason);
        }
    }

    /// @dev Secret r − 1: the key is −G2 and the signature −H.
    function _key() private pure returns (bytes memory) {
        return abi.encode(Bn254.NEG_G2_X1, Bn254.NEG_G2_X0, Bn254.NEG_G2_Y1, Bn254.NEG_G2_Y0);
    }

    function _proof() private view returns (bytes memory) {
        (uint256 x, uint256 y) = Bn254Reference.hashToG1(abi.encodePacked(DIGEST));
        return abi.encode(x, Bn254.P - y, Bn254Reference.hintsFor(abi.encodePacked(DIGEST)));
    }

    function _ones(uint256 size) private pure returns (bytes memory answer) {
        answer = new bytes(size);
        for (uint256 i = 31; i < size; i += 32) answer[i] = 0x01;
    }
}
