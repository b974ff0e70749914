import { expect } from "chai";
import { Network } from "./support/network.ts";

describe("consensus: a small network", () => {
  for (const n of [1, 2, 4, 5, 7]) {
    it(`${n} members with random delays output the same order`, () => {
      const network = new Network({ n, seed: 7 + n, delay: { min: 10, max: 100 } });
      network.run(6_000);
      const rounds = network.members.map((member) => member.outputs.length);
      expect(Math.min(...rounds)).greaterThan(30);
      network.assertAgreement();
    });
  }
});
