/**
 * Who may list tokens, close deposits and pause `accept`. Parameter `admin` (default: the deploying account) should be a
 * multi-signature wallet or a timelock wherever money is real; nothing here lets it touch funds.
 */
import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

export default buildModule("Authority", (m) => ({
  authority: m.contract("Authority", [m.getParameter("admin", m.getAccount(0))]),
}));
