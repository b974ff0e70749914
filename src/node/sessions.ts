/**
 * The transport of each epoch in turn. They listen on the same address with the same identity, so one runs at a time: the old one
 * is stopped, then the new one starts. What is in flight meanwhile may be lost; the protocol asks again for what matters.
 */
import type { ProposedMember } from "../ledger/reconfiguration/types.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import { type Transport, TransportError, type TransportHandlers } from "../transport/port.ts";

export interface Session {
  readonly committee: Committee;
  readonly peers: readonly ProposedMember[];
  /** Own index. */
  readonly self: number;
  /** What is given to it before it runs waits there. */
  transport: Transport;
}

export type CreateTransport = (committee: Committee, peers: readonly ProposedMember[], self: number) => Transport;

/** Last messages of an epoch may leave before its transport stops: among them what others need to follow. */
const FLUSH_MS = 250;
const FLUSH_POLL_MS = 5;
/** The port may be ours again only after a moment. */
const LISTEN_ATTEMPTS = 20;
const LISTEN_PAUSE_MS = 250;

export class Sessions {
  readonly #create: CreateTransport;
  readonly #handlersOf: (session: Session) => TransportHandlers;
  readonly #logger: Logger;
  #current: Session;
  /** Runs now, or is being replaced. */
  #running: Session | undefined;
  #stopped = false;
  #work: Promise<void> = Promise.resolve();

  /** `handlersOf`: what to do with what a session's peers send. */
  constructor(
    create: CreateTransport,
    first: Omit<Session, "transport">,
    handlersOf: (session: Session) => TransportHandlers,
    logger: Logger,
  ) {
    this.#create = create;
    this.#handlersOf = handlersOf;
    this.#logger = logger;
    this.#current = { ...first, transport: create(first.committee, first.peers, first.self) };
  }

  /** Of the newest epoch. */
  get current(): Session {
    return this.#current;
  }

  /** From now on `current` is the new epoch's; nothing starts or stops before `start`. */
  begin(committee: Committee, peers: readonly ProposedMember[], self: number): void {
    this.#current = { committee, peers, self, transport: this.#create(committee, peers, self) };
  }

  /** Brings up `current`, in place of what runs. Rejects with TransportError when it cannot listen. */
  start(): Promise<void> {
    const wanted = this.#current;
    this.#work = this.#work.then(async () => {
      if (this.#stopped || this.#current !== wanted) return;
      const before = this.#running;
      if (before === undefined) return this.#listen(wanted);
      await flush(before.transport);
      this.#running = undefined;
      await before.transport.stop();
      await this.#listenAgain(wanted);
    });
    return this.#work;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Whoever called `start` hears of its failure.
    await this.#work.catch(() => {});
    await this.#running?.transport.stop();
    this.#running = undefined;
  }

  async #listen(session: Session): Promise<void> {
    this.#running = session;
    try {
      await session.transport.start(this.#handlersOf(session));
    } catch (error) {
      this.#running = undefined;
      await session.transport.stop();
      throw error;
    }
  }

  /** A transport starts once, so each attempt takes a new one; what waited in the one before is lost. */
  async #listenAgain(session: Session): Promise<void> {
    for (let attempt = 1; !this.#stopped; attempt++) {
      try {
        return await this.#listen(session);
      } catch (error) {
        const mayPass = error instanceof TransportError && error.code === "listenFailed";
        if (!mayPass || attempt === LISTEN_ATTEMPTS) throw error;
        this.#logger.warn("the port is not free yet; trying again", { attempt, error });
        await pause(LISTEN_PAUSE_MS);
        session.transport = this.#create(session.committee, session.peers, session.self);
      }
    }
  }
}

async function flush(transport: Transport): Promise<void> {
  const deadlineMs = performance.now() + FLUSH_MS;
  const isWaiting = (): boolean => transport.peers().some(({ connected, queued }) => connected && queued > 0);
  while (isWaiting() && performance.now() < deadlineMs) await pause(FLUSH_POLL_MS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
