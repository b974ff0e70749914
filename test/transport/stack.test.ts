import { expect } from "chai";
import fc from "fast-check";
import { Uint8ArrayList } from "uint8arraylist";
import { recordLength } from "../../src/transport/stack.ts";
import { freePorts, membersAt, startNode, until } from "./mesh.ts";

describe("transport/stack", () => {
  it("reads the length of a record from bytes in any pieces, and asks for more by one exception", () => {
    const property = fc.property(fc.nat(0xffff), fc.uint8Array({ maxLength: 5 }), fc.nat(2), (length, rest, at) => {
      const bytes = Uint8Array.of(length >> 8, length & 255, ...rest);
      expect(recordLength(bytes)).to.equal(length);
      expect(recordLength(new Uint8ArrayList(bytes.slice(0, at), bytes.slice(at)))).to.equal(length);
    });
    fc.assert(property);
    const thrown = [new Uint8Array(0), new Uint8Array(1), new Uint8ArrayList()].map((bytes) => {
      try {
        return recordLength(bytes);
      } catch (error) {
        return error;
      }
    });
    expect(thrown[0]).to.be.instanceOf(RangeError);
    expect(new Set(thrown).size).to.equal(1);
  });

  it("no message costs an exception with a stack", async () => {
    const members = membersAt(await freePorts(2));
    const nodes = await Promise.all(members.map((_, self) => startNode(members, self)));
    const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const { RangeError: original } = globalThis;
    let made = 0;
    try {
      await until("they know each other", () => [a, b].every(({ events }) => events.length > 0));
      globalThis.RangeError = new Proxy(original, {
        apply(target, self, args) {
          made++;
          return Reflect.apply(target, self, args);
        },
        construct(target, args, newTarget) {
          made++;
          return Reflect.construct(target, args, newTarget);
        },
      });
      for (let i = 0; i < 20; i++) {
        a.transport.send(1, new Uint8Array(100 * (i + 1)).fill(i));
        await until("it came", () => b.received.length === i + 1);
        b.transport.send(0, new Uint8Array(70_000));
        await until("the answer came", () => a.received.length === i + 1);
      }
    } finally {
      globalThis.RangeError = original;
      await Promise.all(nodes.map(({ transport }) => transport.stop()));
    }
    expect(made).to.equal(0);
  });
});
