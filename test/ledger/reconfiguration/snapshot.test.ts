import { expect } from "chai";
import { LedgerError } from "../../../src/ledger/codes.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { ACTIVATION_ROUNDS } from "../../../src/ledger/limits.ts";
import type { EpochsView } from "../../../src/ledger/reconfiguration/types.ts";
import type { SettledBatch } from "../../../src/ledger/types.ts";
import { seed } from "../../seed.ts";
import { people, World } from "./world.ts";

const abcd = people("abcd");

/** A change with everything that can be going on: open proposals, faults, a generation with its handover, then the next one. */
function story(w: World, look: (batch: SettledBatch) => void): void {
  const apply = w.ledger.apply.bind(w.ledger);
  w.ledger.apply = (input) => {
    const batch = apply(input);
    if (batch !== undefined) look(batch);
    return batch;
  };
  const [a, b, c, d] = abcd as [(typeof abcd)[0], (typeof abcd)[0], (typeof abcd)[0], (typeof abcd)[0]];
  w.send(w.approve(w.proposal(people("abc")), a));
  w.send(w.approve(w.proposal(people("bcde")), b), w.approve(w.proposal(people("bcdf")), b));
  w.send(w.approve(w.proposal(people("bcdf"), 7n), d));
  const wxyz = people("wxyz");
  w.agree(w.proposal(wxyz, 2n), [c, a, b]);
  w.send(w.deal(a), w.deal(a, "another"));
  const wrong = w.deal(b);
  w.send({ ...wrong, deals: { ...wrong.deals, bn254: wrong.deals["bls12-381"] } });
  w.send(w.deal(c), w.deal(d));
  w.send(w.ready(wxyz[0]!), w.ready(wxyz[1]!, w.open(wxyz[2]!)));
  w.send(w.ready(wxyz[2]!), w.ready(wxyz[3]!));
  const shares = new Map(wxyz.map((who) => [who.address, w.open(who)]));
  w.send(...[a, b].map((who) => w.handover(who)));
  w.send(w.handover(d));
  w.idle(3);
  w.send(w.handover(c));
  w.idle(ACTIVATION_ROUNDS - 4);
  w.shares = shares;
  w.send(w.approve(w.proposal(people("wxya")), wxyz[1]!));
  w.change(wxyz, people("wxya"), 3n);
}

describe(`a snapshot of a change of committee (CLOCKLESS_SEED=${seed})`, () => {
  it("goes on as the original does, from wherever it was taken", () => {
    const w = new World(abcd);
    const taken: { snapshot: Uint8Array; batch: SettledBatch; view: EpochsView; inputs: number }[] = [];
    story(w, (batch) => {
      taken.push({ snapshot: w.ledger.snapshot(), batch, view: w.epochs, inputs: w.inputs.length });
    });
    expect(w.ledger.epoch).equal(2n);
    const phases = new Set(taken.map(({ view }) => view.attempt?.phase));
    expect([...phases]).deep.equal([undefined, "dealing", "opening", "handover", "closing"]);
    expect(taken.filter(({ batch }) => batch.closes !== undefined).length).equal(2);
    for (const { snapshot, batch, view, inputs } of taken) {
      if (batch.closes !== undefined) expect(batch.closes.snapshot).deep.equal(snapshot);
      const restored = Ledger.restore(w.genesis, batch.header, snapshot, { verify: () => true, reshare: w.scheme });
      const { open, ...rest } = restored.epochs!;
      const { open: known, ...others } = view;
      expect(rest).deep.equal(others);
      expect(open).have.deep.members(known);
      for (const input of w.inputs.slice(inputs)) restored.apply(input);
      expect(restored.header).deep.equal(w.ledger.header);
      expect(restored.snapshot()).deep.equal(w.ledger.snapshot());
    }
  });

  it("is refused when a bit of it is another, wherever, and by who cannot follow changes", () => {
    const w = new World(abcd);
    const taken: { snapshot: Uint8Array; batch: SettledBatch }[] = [];
    story(w, (batch) => void taken.push({ snapshot: w.ledger.snapshot(), batch }));
    const options = { verify: () => true, reshare: w.scheme };
    const restore = (snapshot: Uint8Array, { header }: SettledBatch): void =>
      void Ledger.restore(w.genesis, header, snapshot, options);
    for (const [i, { snapshot, batch }] of taken.entries()) {
      restore(snapshot, batch);
      expect(() => Ledger.restore(w.genesis, batch.header, snapshot, { verify: () => true }))
        .throw(LedgerError)
        .include({ code: "badSnapshot" });
      for (let at = (seed + i) % 131; at < snapshot.length; at += 131) {
        const changed = snapshot.slice();
        changed[at]! ^= 1 << ((at + seed) % 8);
        expect(() => restore(changed, batch), `byte ${at} of snapshot ${i}`)
          .throw(LedgerError)
          .include({ code: "badSnapshot" });
      }
    }
  });
});
