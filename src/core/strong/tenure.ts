/**
 * Beginning: how a member comes to answer as an acceptor, and how one that may have lost something of what it had promised does so
 * again.
 *
 *   a tenure, durable ─► COPY to all ─► they note the tenure, then give all that they have promised and accepted
 *       ─► members that every quorum meets have given it, or all others are as new as this one ─► begun, durable ─► answers
 *
 * Invariant: a member answers only while it knows at least what it knew whenever it answered before, or whatever it said before is
 * void. For what it accepted earlier was accepted by a quorum, which one of those asked belongs to, or was not decided. And what an
 * earlier tenure said counts for no proposer that hears of the later one, of which each of those asked tells with every answer.
 */
import { Sink } from "../bytes/sink.ts";
import { type Acceptor, type Kept, writeKept } from "./acceptor.ts";
import type { Electorate } from "./electorate.ts";
import type { Copy, Page, Saying, Tenure } from "./strong-words.ts";

/** Who says nothing for so long is asked again, from the beginning. */
const ASK_AGAIN_MS = 1_000;
const PAGE_BYTES = 32 * 1024;

/** What another member has given. */
interface Given {
  page: number;
  askedMs: number;
  done: "nothing" | "everything" | null;
  tenures: readonly Tenure[];
}

/** What is being given to another member. */
interface Giving {
  readonly tenure: number;
  page: number;
  readonly rest: Iterator<Kept>;
}

export class Beginning {
  readonly #acceptor: Acceptor;
  #electorate: Electorate;
  readonly #say: (to: number, saying: Saying) => void;
  readonly #isUp: (member: number) => boolean;
  readonly #given = new Map<number, Given>();
  readonly #giving = new Map<number, Giving>();
  /** Somebody needs strong keys: this node's keyspaces, or a peer. */
  wanted = false;

  constructor(
    acceptor: Acceptor,
    electorate: Electorate,
    say: (to: number, saying: Saying) => void,
    isUp: (member: number) => boolean,
  ) {
    this.#acceptor = acceptor;
    this.#electorate = electorate;
    this.#say = say;
    this.#isUp = isUp;
  }

  /** Others decide from now on. */
  become(electorate: Electorate): void {
    this.#electorate = electorate;
    this.#given.clear();
    this.#giving.clear();
  }

  /** What was promised and accepted may have been lost, in part or wholly. */
  lost(nowMs: number): void {
    const { tenure } = this.#acceptor;
    if (tenure > 0) this.#anew(Math.max(tenure + 1, Math.floor(nowMs)));
  }

  #anew(tenure: number): void {
    this.#given.clear();
    this.#acceptor.hold(tenure, false);
  }

  /** Members that have not given what they have, in words; for whoever waits for this. */
  get lacking(): string {
    return this.#electorate.describe(
      (member) => member !== this.#electorate.me && this.#given.get(member)?.done == null,
    );
  }

  tick(nowMs: number, monoMs: number): void {
    const { begun, tenure } = this.#acceptor;
    if (begun || !this.wanted) return;
    if (tenure === 0) this.#anew(Math.floor(nowMs));
    if (this.#electorate.count === 1) return this.#judge();
    for (let member = 0; member < this.#electorate.count; member++) {
      if (member === this.#electorate.me || !this.#isUp(member)) continue;
      const given = this.#given.get(member);
      // Who had nothing may have begun meanwhile.
      if (
        given !== undefined &&
        (given.done === "everything" || monoMs - given.askedMs < ASK_AGAIN_MS)
      )
        continue;
      this.#given.set(member, {
        page: 0,
        askedMs: monoMs,
        done: given?.done ?? null,
        tenures: given?.tenures ?? [],
      });
      this.#say(member, { say: "copy", tenure: this.#acceptor.tenure, page: 0 });
    }
  }

  /** Another member begins: it is given what is known here. */
  asked(from: number, { tenure, page }: Copy): void {
    const acceptor = this.#acceptor;
    const name = this.#electorate.names[from] as string;
    this.wanted = true;
    const known = acceptor.tenures.get(name)?.tenure ?? 0;
    if (known > tenure) return this.#say(from, { say: "page", tenure, page, from: "newer", known });
    // Before anything is given: whatever is said here from now on tells of the new tenure.
    acceptor.note(name, tenure);
    const tenures = this.#tenures();
    if (!acceptor.begun)
      return this.#say(from, { say: "page", tenure, page, from: "nothing", tenures });
    let giving = this.#giving.get(from);
    if (page === 0) {
      giving = { tenure, page: 0, rest: acceptor.all() };
      this.#giving.set(from, giving);
    }
    if (giving === undefined || giving.page !== page || giving.tenure !== tenure) return;
    giving.page++;
    const sink = new Sink(PAGE_BYTES);
    let last = false;
    while (sink.length < PAGE_BYTES && !last) {
      const next = giving.rest.next();
      if (next.done === true) last = true;
      else writeKept(sink, next.value);
    }
    if (last) this.#giving.delete(from);
    const { ballot, version } = acceptor.floor;
    this.#say(from, {
      say: "page",
      tenure,
      page,
      from: "acceptor",
      tenures,
      ballot,
      version,
      last,
      items: sink.copy(),
    });
  }

  /** What is known of everybody's tenure, by place. */
  #tenures(): Tenure[] {
    const { tenures } = this.#acceptor;
    return this.#electorate.names.map((name) => tenures.get(name) ?? { tenure: 0, first: true });
  }

  /** Another member gives what it knows. */
  told(from: number, page: Page, nowMs: number, monoMs: number): void {
    const acceptor = this.#acceptor;
    const given = this.#given.get(from);
    if (acceptor.begun || page.tenure !== acceptor.tenure || given === undefined) return;
    if (page.from === "newer")
      return this.#anew(Math.max(page.known + 1, Math.floor(nowMs), acceptor.tenure + 1));
    given.tenures = page.tenures;
    if (page.from === "nothing") given.done = "nothing";
    else {
      if (page.page !== given.page) return;
      acceptor.raiseFloor(page.ballot, page.version);
      acceptor.copy(page.items);
      if (page.last) given.done = "everything";
      else {
        given.done = null;
        given.page++;
        given.askedMs = monoMs;
        return this.#say(from, { say: "copy", tenure: acceptor.tenure, page: given.page });
      }
    }
    this.#judge();
  }

  #judge(): void {
    const electorate = this.#electorate;
    const has = (member: number, done: "nothing" | "everything"): boolean =>
      this.#given.get(member)?.done === done;
    if (!electorate.meetsAll((member) => has(member, "everything")) && !this.#isBirth()) return;
    this.#acceptor.hold(this.#acceptor.tenure, true);
    this.#given.clear();
  }

  /** Whether this is the beginning of all: everybody has answered, and of nobody who has nothing an earlier tenure is known. */
  #isBirth(): boolean {
    const { names, me } = this.#electorate;
    const isNew = (member: number): boolean =>
      member === me || this.#given.get(member)?.done === "nothing";
    for (let member = 0; member < names.length; member++) {
      if (member === me) continue;
      const given = this.#given.get(member);
      if (given?.done == null) return false;
      for (let of = 0; of < names.length; of++)
        if (isNew(of) && given.tenures[of]?.first === false) return false;
    }
    return true;
  }
}
