/**
 * Joining: whether this replica has all that the others count on it to have, and how it comes by what it lacks.
 *
 *   waiting ── a whole neighbour says what it has ─► catching up ── all of that applied ─► whole
 *                                                        │ ▲
 *                          no neighbour's log has it ────┘ └── restarted on it
 *                                     └─► receiving a snapshot: SNAP_ASK ─► sections, to disk ─► SNAP_END
 *
 * What is stable anywhere is durable at every member. So whoever covers what one whole replica has, covers what any member may have
 * let go of on the word of this one's earlier life. Until then it serves nothing and writes nothing: what it wrote without having
 * seen that would be concurrent with what nothing can be concurrent with any more.
 *
 * A directory that was copied or restored may be that of a replica that lives. So a life that begins on one is quiet first: its reports
 * count with nobody, it takes no neighbour's word for what it needs, and when another life of its name is heard of, it stops. Once nothing
 * has come of any for a while, it counts, meets everybody anew, and only then begins to wait. From then on it is the other, wherever that
 * was, which has lost the name: rivals.ts.
 *
 * Invariant: a snapshot is taken only if it includes everything that our own log has forgotten, so that the log behind it keeps what we
 * alone have. It counts only once it has come to its end, which its giver says when all it shows is durable.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed } from "../bytes/source.ts";
import { Vector } from "../clock/vector.ts";
import { FRAME } from "../wire/frame.ts";
import { ForeignHeader } from "./foreign-header.ts";
import type { Link } from "./link.ts";
import type { Report } from "./members.ts";
import type { Replica } from "./replica.ts";
import * as words from "./snapshot-words.ts";

/** A life is quiet until nothing of another one came for so long, while somebody was there to tell. */
const QUIET_MS = 5_000;
const HEARD_IN_MS = 100;
/** How long no neighbour's log has what we need, or is too long for that, before a snapshot is asked for: another neighbour may come. */
const BEHIND_AFTER_MS = 1_000;
/** Nothing came for so long: another giver is asked. */
const STALLED_AFTER_MS = 10_000;
/** A giver whose snapshot did not serve is not asked again for so long. */
const AVOID_MS = 5_000;
/** A link that broke may come back for so long before another giver is asked. */
const RETURN_WITHIN_MS = 5_000;
/** Snapshots that came to nothing until the log is taken, however long: what came of that is kept when a connection breaks for long. */
const COPIES_MAX = 3;
/** Sections stored before the giver hears of it. */
const TELL_EVERY = 8;

/** What the host does with a snapshot: it keeps sections as a checkpoint in the making, and restarts on it when it is whole. */
export type SnapshotStep =
  | { readonly step: "begin"; readonly header: Buffer }
  | { readonly step: "section"; readonly bytes: Buffer }
  | { readonly step: "end"; readonly until: Vector }
  | { readonly step: "abandon"; readonly reason: string };

export type JoiningState =
  | { readonly state: "whole" }
  /** Of nobody who is whole was heard yet. Alone it begins after `aloneAfterMs`. `until`: needed whatever they say, as below. */
  | {
      readonly state: "waiting";
      readonly sinceMs: number;
      readonly aloneAfterMs: number;
      readonly until?: Vector | null;
    }
  /** What is here may show records up to `until` that have not come. */
  | { readonly state: "catching up"; readonly until: Vector };

interface Quiet {
  leftMs: number;
  /** When that was looked at last. */
  atMs: number;
  /** The newest report of another life. */
  version: number;
}

interface Receiving {
  readonly member: string;
  link: number;
  /** 0 until it has begun. */
  id: number;
  keysTotal: number;
  keys: number;
  bytes: number;
  /** Sections that came, and those that are stored. */
  came: number;
  stored: number;
  told: number;
  readonly sinceMs: number;
  heardMs: number;
  /** Since when its link is gone; null while it is there. */
  goneMs: number | null;
  ended: boolean;
}

/** How far a snapshot has come, for status. */
export interface ReceivingStatus {
  readonly from: string;
  readonly keys: number;
  readonly keysTotal: number;
  readonly bytes: number;
  readonly sinceMs: number;
  readonly heardMs: number;
  readonly installing: boolean;
}

export class Joining {
  readonly #replica: Replica;
  readonly #send: (link: Link, type: number, body: Buffer) => void;
  readonly #sink = new Sink(16);
  #state: JoiningState = { state: "whole" };
  /** Set while this life counts with nobody. */
  #quiet: Quiet | null = null;
  #receiving: Receiving | null = null;
  /** Since when no log of a neighbour has what we need; null while one has. */
  #behindSinceMs: number | null = null;
  readonly #avoid = new Map<string, number>();
  /** Snapshots that came to nothing. */
  #failed = 0;

  constructor(replica: Replica, send: (link: Link, type: number, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  get state(): JoiningState {
    return this.#state;
  }

  get whole(): boolean {
    return this.#state.state === "whole";
  }

  /** Whether a copy is taken rather than a long log. */
  get takesCopy(): boolean {
    return !this.whole && this.#failed < COPIES_MAX;
  }

  /** Begins a life in which it has to catch up with what its earlier ones had told the others; quietly, if its name may be another's. */
  begin(state: JoiningState, isQuiet = false): void {
    this.#state = state;
    this.#quiet = isQuiet ? { leftMs: QUIET_MS, atMs: this.#replica.monoMs, version: 0 } : null;
  }

  /** Whether others may count on what this life says. */
  get counts(): boolean {
    return this.#quiet === null;
  }

  /** Another life of our name has said something: while that goes on, this one is quiet. */
  heardOther({ version }: Report): void {
    const quiet = this.#quiet;
    if (quiet === null || version <= quiet.version) return;
    quiet.version = version;
    quiet.leftMs = QUIET_MS;
  }

  /** Time in which somebody could have told of another life goes by. */
  #listen(quiet: Quiet): void {
    const { exchange, monoMs } = this.#replica;
    const sinceMs = monoMs - quiet.atMs;
    quiet.atMs = monoMs;
    // After standing still it has heard nothing yet of what happened meanwhile.
    for (const { up } of exchange.links.values())
      if (up) {
        quiet.leftMs -= Math.min(sinceMs, HEARD_IN_MS);
        break;
      }
    if (quiet.leftMs > 0) return;
    this.#quiet = null;
    if (this.#state.state === "waiting") this.#state = { ...this.#state, sinceMs: monoMs };
    exchange.greetAnew("this replica counts from now on");
  }

  // ── what neighbours say ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A neighbour has said what it can give. */
  heard(link: Link, standing: words.Standing): void {
    link.standing = standing;
    if (this.#quiet !== null) return;
    if (this.#state.state === "waiting" && standing.whole) this.#catchUp(standing.durable);
  }

  /** What is needed whatever the others say, as it may show already; null when nothing is. */
  get owed(): Vector | null {
    return this.#state.state === "whole" ? null : (this.#state.until ?? null);
  }

  #catchUp(said: Vector): void {
    const until = said.copy();
    if (this.#state.state === "waiting" && this.#state.until) until.join(this.#state.until);
    this.#state = { state: "catching up", until };
    this.#replica.effects.push({ type: "joining" });
  }

  /** Whether anybody has more of an origin than we, and none of those has it in its log. */
  #isBehind(): boolean {
    const { exchange, origins, applied, delivery } = this.#replica;
    for (let number = 0; number < origins.count; number++) {
      // What lies beyond a limit is nothing to go after.
      const limit = delivery.limitOf(number);
      let isLacking = false;
      let isGiven = false;
      for (const { up, standing, peerApplied } of exchange.links.values()) {
        if (!up || standing === null) continue;
        if (applied.covers(number, Math.min(limit, peerApplied.get(number)))) continue;
        isLacking = true;
        if (applied.covers(number, standing.base.get(number))) isGiven = true;
      }
      if (isLacking && !isGiven) return true;
    }
    return false;
  }

  tick(): void {
    if (this.#quiet !== null) return this.#listen(this.#quiet);
    this.#judge();
    this.#judgeSnapshot();
    const { monoMs } = this.#replica;
    if (!this.#isBehind()) this.#behindSinceMs = null;
    else this.#behindSinceMs ??= monoMs;
    if (this.#receiving !== null || this.#behindSinceMs === null) return;
    if (monoMs - this.#behindSinceMs >= BEHIND_AFTER_MS) this.#askSomebody();
  }

  /** Whether it is whole by now. */
  #judge(): void {
    const { exchange, members, monoMs } = this.#replica;
    if (this.#state.state === "waiting") {
      const standings: words.Standing[] = [];
      for (const link of exchange.links.values())
        if (link.up && link.standing !== null) standings.push(link.standing);
      const { sinceMs, aloneAfterMs } = this.#state;
      const isLate = monoMs - sinceMs >= aloneAfterMs && !standings.some((s) => s.filling);
      // Nobody is whole, and everybody says so: then all of us together have what there is.
      if (standings.length === members.names.length - 1 || isLate) {
        const until = new Vector();
        for (const { durable } of standings) until.join(durable);
        this.#catchUp(until);
      }
    }
    if (this.#state.state !== "catching up" || !this.#has(this.#state.until)) return;
    this.#state = { state: "whole" };
    this.#replica.effects.push({ type: "joining" });
  }

  /** Whether all of it is applied that will ever be. */
  #has(until: Vector): boolean {
    const { applied, delivery } = this.#replica;
    return until.seqs.every(
      (seq, number) => applied.covers(number, seq) || delivery.isVoid(number, seq),
    );
  }

  /** Whoever said what is needed may be removed, and all there was of it gone: it is asked for again. */
  reconsider(): void {
    if (this.#state.state !== "catching up") return;
    const { exchange, roster } = this.#replica;
    for (const { up, member, standing } of exchange.links.values()) {
      if (!up || standing?.whole !== true || roster.isRemoved(member as string)) continue;
      return this.#catchUp(standing.durable);
    }
    this.#state = {
      state: "waiting",
      sinceMs: this.#replica.monoMs,
      aloneAfterMs: Infinity,
    };
  }

  /** Whether a snapshot is coming in. */
  get receives(): boolean {
    return this.#receiving !== null;
  }

  // ── a snapshot ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Asks for a snapshot, of the nearest neighbour that can give one. */
  #askSomebody(): void {
    const { exchange, monoMs } = this.#replica;
    const able = [...exchange.links.values()].filter(
      ({ member, standing }) =>
        member !== null && standing?.whole === true && (this.#avoid.get(member) ?? 0) <= monoMs,
    );
    able.sort((a, b) => (a.rttMs ?? Infinity) - (b.rttMs ?? Infinity));
    const [link] = able;
    if (link === undefined) return;
    this.#receiving = {
      member: link.member as string,
      link: link.id,
      id: 0,
      keysTotal: 0,
      keys: 0,
      bytes: 0,
      came: 0,
      stored: 0,
      told: 0,
      sinceMs: monoMs,
      heardMs: monoMs,
      goneMs: null,
      ended: false,
    };
    this.#note(
      `no neighbour's log holds what this node needs, or a copy is had sooner: ${link.member} is asked for a snapshot`,
    );
    this.#tell(link, { id: 0, have: 0 });
  }

  #tell(link: Link, ask: words.SnapshotAsk): void {
    this.#sink.clear();
    words.writeAsk(this.#sink, ask);
    this.#send(link, FRAME.SNAP_ASK, this.#sink.copy());
  }

  #judgeSnapshot(): void {
    const receiving = this.#receiving;
    if (receiving === null || receiving.ended) return;
    const { exchange, monoMs } = this.#replica;
    if (!exchange.links.has(receiving.link)) {
      receiving.goneMs ??= monoMs;
      const again = [...exchange.links.values()].find(
        ({ member, standing }) => member === receiving.member && standing?.whole === true,
      );
      if (again !== undefined && receiving.id > 0) {
        receiving.link = again.id;
        receiving.goneMs = null;
        receiving.heardMs = monoMs;
        this.#goOn(again, receiving);
      } else if (monoMs - receiving.goneMs > RETURN_WITHIN_MS) this.#abandon("its giver has gone");
      return;
    }
    if (monoMs - receiving.heardMs > STALLED_AFTER_MS) this.#abandon("nothing came of it any more");
  }

  /** What came is what is stored soon: the giver goes on behind it. */
  #goOn(link: Link, receiving: Receiving): void {
    receiving.told = receiving.came;
    this.#tell(link, { id: receiving.id, have: receiving.came });
  }

  #abandon(reason: string, avoidMs = AVOID_MS): void {
    const receiving = this.#receiving as Receiving;
    this.#receiving = null;
    this.#avoid.set(receiving.member, this.#replica.monoMs + avoidMs);
    this.#note(`the snapshot of ${receiving.member} is given up: ${reason}`);
    this.#replica.effects.push({ type: "snapshot", step: { step: "abandon", reason } });
    if (++this.#failed === COPIES_MAX && !this.whole)
      this.#replica.exchange.greetAnew("this replica takes the log, however long");
  }

  #from(link: Link, id: number): Receiving | null {
    const receiving = this.#receiving;
    if (receiving === null || receiving.link !== link.id || receiving.ended) return null;
    if (receiving.id !== id) return null;
    receiving.heardMs = this.#replica.monoMs;
    return receiving;
  }

  /** Throws `Malformed`. */
  begins(link: Link, { id, keys, header }: { id: number; keys: number; header: Buffer }): void {
    const receiving = this.#receiving;
    if (receiving === null || receiving.link !== link.id || receiving.ended) return;
    receiving.heardMs = this.#replica.monoMs;
    // The one that was under way is not known there any more, as after a restart.
    if (receiving.id !== 0) return this.#abandon("its giver has begun another", 0);
    const { index, origins, clock, ceilingMs } = this.#replica;
    const foreign = new ForeignHeader(header, origins);
    if (!foreign.vector.includes(index.baseVector))
      return this.#abandon("it lacks what this node's own log no longer holds");
    receiving.id = id;
    receiving.keysTotal = keys;
    receiving.came = 1;
    const position = index.startFor((vector) => foreign.vector.includes(vector));
    const rewritten = foreign.rewritten(position, Math.max(clock.ms, ceilingMs));
    this.#replica.effects.push({ type: "snapshot", step: { step: "begin", header: rewritten } });
  }

  section(link: Link, { id, index, keys, bytes }: words.SnapshotSection): void {
    const receiving = this.#from(link, id);
    if (receiving === null || index < receiving.came) return;
    if (index > receiving.came) throw new Malformed("a section of the snapshot is missing");
    receiving.came++;
    receiving.keys = keys;
    receiving.bytes += bytes.length;
    this.#replica.effects.push({ type: "snapshot", step: { step: "section", bytes } });
  }

  end(link: Link, { id, sections, durable }: words.SnapshotEnd): void {
    const receiving = this.#from(link, id);
    if (receiving === null) return;
    if (sections !== receiving.came) throw new Malformed("the snapshot ends where it should not");
    receiving.ended = true;
    this.#replica.effects.push({ type: "snapshot", step: { step: "end", until: durable } });
  }

  // ── what the host says ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The host has stored one more section. */
  stored(): void {
    const receiving = this.#receiving;
    if (receiving === null) return;
    receiving.stored++;
    receiving.heardMs = this.#replica.monoMs;
    const link = this.#replica.exchange.links.get(receiving.link);
    if (link === undefined || receiving.stored - receiving.told < TELL_EVERY) return;
    receiving.told = receiving.stored;
    this.#tell(link, { id: receiving.id, have: receiving.stored });
  }

  /** The host could not store it. */
  failed(): void {
    if (this.#receiving !== null) this.#abandon("it could not be stored");
  }

  /** How far a snapshot has come; null while there is none. */
  status(): ReceivingStatus | null {
    if (this.#receiving === null) return null;
    const { member: from, keys, keysTotal, bytes, sinceMs, heardMs, ended } = this.#receiving;
    return { from, keys, keysTotal, bytes, sinceMs, heardMs, installing: ended };
  }

  #note(text: string): void {
    this.#replica.effects.push({ type: "note", level: "warn", text });
  }
}
