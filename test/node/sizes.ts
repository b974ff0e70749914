/** Sizes of every collection that an object holds, private ones too: what a debugger sees, asked by the program itself. */
import { type Runtime, Session } from "node:inspector";

const COLLECTION = /^(?:Map|Set|Array)\((\d+)\)$/;
/** Not ours: timers, sockets and the like have their own lives. */
const FOREIGN =
  /^(?:Timeout|Immediate|Promise|DatabaseSync|StatementSync|Uint8Array|Buffer|ArrayBuffer|EventEmitter|Socket|Server)/;
const MAX_DEPTH = 12;

/** By path, `root.member.#mempool.#due`; elements of collections are not looked into. */
export function sizesOf(root: object): Map<string, number> {
  const session = new Session();
  session.connect();
  const sizes = new Map<string, number>();
  const seen = new Set<string>();
  try {
    Reflect.set(globalThis, "__sizesOf", root);
    walk(session, evaluate(session, "globalThis.__sizesOf"), "root", 0, sizes, seen);
  } finally {
    Reflect.deleteProperty(globalThis, "__sizesOf");
    session.disconnect();
  }
  return sizes;
}

function walk(
  session: Session,
  value: Runtime.RemoteObject | undefined,
  path: string,
  depth: number,
  sizes: Map<string, number>,
  seen: Set<string>,
): void {
  if (value?.objectId === undefined || depth > MAX_DEPTH) return;
  const size = COLLECTION.exec(value.description ?? "")?.[1];
  if (size !== undefined) {
    sizes.set(path, Number(size));
    return;
  }
  if (value.type !== "object" || FOREIGN.test(value.className ?? "")) return;
  // Two ways to one object: the first one counts. There is no identity in the protocol but by a mark of ours.
  const id = mark(session, value.objectId);
  if (seen.has(id)) return;
  seen.add(id);
  const { own, hidden } = properties(session, value.objectId);
  for (const { name, value: child } of own) walk(session, child, `${path}.${name}`, depth + 1, sizes, seen);
  for (const { name, value: child } of hidden) walk(session, child, `${path}.${name}`, depth + 1, sizes, seen);
}

const marks = new WeakMap<object, string>();
Reflect.set(globalThis, "__markOf", (value: object): string => {
  const known = marks.get(value) ?? `${performance.now()}/${Math.random()}`;
  marks.set(value, known);
  return known;
});

function mark(session: Session, objectId: string): string {
  let found = "";
  session.post(
    "Runtime.callFunctionOn",
    { objectId, functionDeclaration: "function () { return globalThis.__markOf(this); }", returnByValue: true },
    (error, answer) => {
      if (error === null) found = String(answer.result.value);
    },
  );
  return found;
}

function evaluate(session: Session, expression: string): Runtime.RemoteObject | undefined {
  let found: Runtime.RemoteObject | undefined;
  session.post("Runtime.evaluate", { expression }, (error, answer) => {
    if (error === null) found = answer.result;
  });
  return found;
}

interface Property {
  readonly name: string;
  readonly value?: Runtime.RemoteObject | undefined;
}

function properties(session: Session, objectId: string): { own: readonly Property[]; hidden: readonly Property[] } {
  let found: { own: readonly Property[]; hidden: readonly Property[] } = { own: [], hidden: [] };
  session.post("Runtime.getProperties", { objectId, ownProperties: true }, (error, answer) => {
    if (error !== null) throw error;
    // CAST: the declarations lack this field of the protocol, https://chromedevtools.github.io/devtools-protocol/v8/Runtime/
    const { privateProperties = [] } = answer as { privateProperties?: readonly Property[] };
    found = { own: answer.result.filter(({ get }) => get === undefined), hidden: privateProperties };
  });
  return found;
}
