/**
 * ShardComparison: one shard of this replica against the same of its peers, until every slot is verified or given up.
 *
 *   SUMS of its slots ─► equal and unchanged: verified
 *     │ unequal      └─► changed meanwhile: again, and if it always is, key by key
 *     ▼
 *   KEYS ─► those that differ ─► STATES of what is to be mended here
 *
 * Invariant: nothing is called different that is merely on its way. A slot or a key counts only if it has changed on neither side since
 * the two passes began, once everything that either side had applied then is applied by the other: both have applied exactly the
 * same records to it.
 */
import type { Source } from "../bytes/source.ts";
import { SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Link } from "../replica/link.ts";
import type { Replica } from "../replica/replica.ts";
import { DIGEST_WORDS, hex, sameSums } from "./digest.ts";
import { ABSENT, type Finding, rightOf, statesOf } from "./findings.ts";
import { digestOf, install, waitingByKey } from "./install.ts";
import { freeKey, readKeyState } from "./key-state.ts";
import * as messages from "./messages.ts";
import { Key } from "../crdt/key.ts";
import { named, NAME_WORDS } from "./key-sums.ts";
import { ANSWER_MAX_MS, lacking, Patience } from "./patience.ts";
import { ShardPass } from "./shard-pass.ts";
import { ITEM_WORDS, SymbolReader, SymbolWriter } from "./symbols.ts";

/** A peer that a comparison is made with. */
export interface Partner {
  readonly member: string;
  readonly link: Link;
  /** Why nothing more is heard of it; null while it answers. */
  silent: string | null;
  /** What it has answered so far. */
  answers: number;
  /** Slots verified with it, and keys that could not be because they changed all the time. */
  verified: number;
  unsettled: number;
}

/** What a comparison of one shard needs from the whole. */
export interface Whole {
  readonly replica: Replica;
  /** Four words of chance. */
  readonly key: Int32Array;
  readonly mends: boolean;
  readonly findings: Map<string, Finding>;
  /** Slot among all → what each member holds there, where that alone tells who is wrong. */
  readonly verdicts: Map<number, ReadonlyMap<string, string>>;
  /** Members in all. */
  readonly members: number;
  /** How many symbols to begin with. */
  symbols: number;
  ask(link: Link, ask: messages.Ask, comparison: Comparison): number;
}

/** A comparison of some shards. */
export interface Comparison {
  /** Whether there are cells to be looked at. */
  readonly busy: boolean;
  readonly done: boolean;
  /** Looks at some more cells. */
  slice(count: number): void;
  /** Goes on with whatever can be done by now. */
  step(): void;
  /** An answer has come; of `states` the source stands at the first. */
  told(link: Link, id: number, tell: messages.Tell, source: Source): void;
  /** The number of what was last asked of a peer. */
  idOf(link: Link): number;
}

/** One peer's part in it. */
interface Side {
  readonly partner: Partner;
  /** Slots among all that are not verified yet. */
  pending: Set<number>;
  /** Whether some of them are known to differ. */
  differs: boolean;
  id: number;
  patience: Patience;
  state: "idle" | "asked" | "told";
  sums: messages.SumsTold | null;
  keys: messages.KeysTold | null;
  changed: ReadonlySet<string> | null;
  reader: SymbolReader | null;
  /** What differed and changed at once, every time so far; null before the first time. */
  unsettled: ReadonlySet<string> | null;
  /** Names of keys whose states are still to come. */
  wanted: string[];
}

/** Symbols to begin with, until it is known what it takes. */
export const SYMBOLS_FIRST = 16;
/** Attempts with whole slots before keys are told apart. */
export const SLOT_ATTEMPTS = 4;
const ATTEMPTS_MAX = 24;
/** Between attempts, times the number of those so far. */
const REST_MS = 40;
/** States asked for at once. */
const STATES_MAX = 512;
/** More symbols than this for one shard are no comparison any more. */
const SYMBOLS_MAX = 1_000_000;

export class ShardComparison implements Comparison {
  readonly shard: number;
  readonly #whole: Whole;
  readonly #sides: Side[];
  #pass: ShardPass | null = null;
  #watched: number[] = [];
  /** Our keys in all watched slots as symbols, once they are needed. */
  #own: SymbolWriter | null = null;
  #attempt = 0;
  #restUntilMs = 0;
  #mending = false;
  readonly #vouchers: readonly string[];
  done = false;

  /**
   * `slots`, among all, are compared; those that are `suspect` key by key at once. `vouchers` are members that hold in them what the
   * only partner holds.
   */
  constructor(
    whole: Whole,
    shard: number,
    partners: readonly Partner[],
    slots: readonly number[],
    suspect: boolean,
    vouchers: readonly string[] = [],
  ) {
    this.#whole = whole;
    this.shard = shard;
    this.#vouchers = vouchers;
    this.#sides = partners.map((partner) => ({
      partner,
      pending: new Set(slots),
      differs: suspect,
      id: 0,
      patience: new Patience(),
      state: "idle",
      sums: null,
      keys: null,
      changed: null,
      reader: null,
      unsettled: null,
      wanted: [],
    }));
  }

  get busy(): boolean {
    return this.#pass !== null && !this.#pass.done;
  }

  slice(count: number): void {
    this.#pass?.slice(count);
  }

  step(): void {
    if (this.done) return;
    const { replica } = this.#whole;
    if (this.#pass === null) {
      if (replica.monoMs >= this.#restUntilMs) this.#begin();
      return;
    }
    const { vector } = this.#pass;
    for (const { state, partner, patience } of this.#sides) {
      if (state !== "asked" || partner.silent !== null) continue;
      const lacks = lacking(vector, partner.link.peerApplied);
      if (patience.isOver(replica.monoMs, lacks, partner.answers))
        partner.silent = `it did not answer within ${ANSWER_MAX_MS} ms`;
    }
    if (!this.#pass.done || this.#active().some((side) => !this.#hasCome(side))) return;
    if (!this.#mending) this.#evaluate(this.#pass);
    if (this.#active().every(({ state }) => state === "told")) this.#endAttempt();
  }

  #active(): Side[] {
    return this.#sides.filter(({ state, partner }) => state !== "idle" && partner.silent === null);
  }

  /** Whether an answer is here, and everything it is about applied. */
  #hasCome(side: Side): boolean {
    const vector = side.sums?.vector ?? side.keys?.vector;
    return (
      side.state === "told" &&
      (vector === undefined || this.#whole.replica.applied.includes(vector))
    );
  }

  #begin(): void {
    const open = this.#sides.filter(
      ({ pending, partner }) => pending.size > 0 && partner.silent === null,
    );
    if (open.length === 0 || this.#attempt >= ATTEMPTS_MAX) return this.#finish();
    const byKey = this.#attempt >= SLOT_ATTEMPTS || open.some(({ differs }) => differs);
    const { replica, key } = this.#whole;
    this.#watched = byKey ? [...new Set(open.flatMap(({ pending }) => [...pending]))] : [];
    replica.keyspace.changes.watch(this.#watched);
    const chosen = byKey ? this.#watched : null;
    this.#pass = new ShardPass(replica, this.shard, 1, key, chosen, replica.slotSums.of(key));
    const { vector } = this.#pass;
    const { shard } = this;
    for (const side of open) {
      side.sums = null;
      side.keys = null;
      side.reader = null;
      const slots = Array.from({ length: SHARD_SLOTS }, (_, i) =>
        side.pending.has(shard * SHARD_SLOTS + i),
      );
      this.#ask(
        side,
        byKey
          ? { type: "keys", shard, key, vector, slots, symbols: this.#whole.symbols }
          : { type: "sums", shard, count: 1, key, vector },
      );
    }
  }

  #ask(side: Side, ask: messages.Ask): void {
    side.state = "asked";
    side.patience = new Patience();
    // What goes on with a pass over there goes by its number.
    if (ask.type === "sums" || ask.type === "keys")
      side.id = this.#whole.ask(side.partner.link, ask, this);
    else this.#whole.ask(side.partner.link, ask, this);
  }

  idOf(link: Link): number {
    return this.#sides.find(({ partner }) => partner.link === link)?.id ?? 0;
  }

  told(link: Link, id: number, tell: messages.Tell, source: Source): void {
    const side = this.#sides.find(({ partner }) => partner.link === link);
    if (side === undefined || side.id !== id || side.state !== "asked") return;
    side.state = "told";
    if (tell.type === "sums") side.sums = tell;
    else if (tell.type === "keys") {
      side.keys = tell;
      side.changed = tell.changed;
    } else if (tell.type === "symbols") {
      side.changed = tell.changed;
      if (side.reader !== null && !side.reader.take(tell.words)) this.#askMore(side, side.reader);
    } else if (tell.type === "states") this.#mend(side, tell.count, source);
    else if (tell.type === "refused") {
      // Asked too late for more of the same pass: another attempt. Otherwise it will not be asked at all.
      if (side.keys === null) side.partner.silent ??= tell.why;
      side.keys = null;
      side.reader = null;
      side.wanted = [];
    }
  }

  /** What has been told is compared. */
  #evaluate(pass: ShardPass): void {
    for (const side of this.#active()) {
      if (side.sums !== null) this.#compareSlots(side, pass, side.sums);
      else if (side.keys !== null && side.reader === null) this.#readKeys(side, pass, side.keys);
    }
    // Symbols that are still to come are waited for; then everybody's keys are compared at once.
    if (this.#active().some(({ state }) => state === "asked")) return;
    const byKey = this.#active().filter(({ reader }) => reader !== null);
    for (const side of byKey) this.#compareKeys(side, pass);
    if (this.#whole.mends && byKey.length > 0) this.#decide(byKey);
  }

  #compareSlots(side: Side, pass: ShardPass, told: messages.SumsTold): void {
    const { same, unequal } = comparedSums(pass, told);
    const first = this.shard * SHARD_SLOTS;
    if (unequal.some((i) => side.pending.has(first + i))) side.differs = true;
    this.#verified(
      side,
      same.map((i) => first + i),
    );
  }

  #verified(side: Side, slots: Iterable<number>): void {
    for (const slot of slots) if (side.pending.delete(slot)) side.partner.verified++;
    if (side.pending.size === 0) side.differs = false;
  }

  #readKeys(side: Side, pass: ShardPass, told: messages.KeysTold): void {
    const own = this.#ownFor(side, pass);
    side.reader = new SymbolReader(own, this.#whole.key);
    if (told.whole) takeItems(side.reader, own.items, told.words);
    else if (!side.reader.take(told.words)) this.#askMore(side, side.reader);
  }

  /** Our keys as symbols; for sides that are about the same slots, the same. */
  #ownFor({ pending }: Side, { keys }: ShardPass): SymbolWriter {
    const { key } = this.#whole;
    if (pending.size < this.#watched.length)
      return new SymbolWriter(keys?.wordsIn(pending) ?? new Int32Array(0), key);
    this.#own ??= new SymbolWriter(keys?.words ?? new Int32Array(0), key);
    return this.#own;
  }

  #askMore(side: Side, reader: SymbolReader): void {
    // While nothing is known of how much differs, twice as many each time.
    const share = this.#whole.symbols === SYMBOLS_FIRST ? 1 : 0.3;
    const count = Math.max(Math.ceil(reader.count * share) + 8, this.#whole.symbols - reader.count);
    if (reader.count + count > SYMBOLS_MAX) side.partner.silent = "it differs too much to compare";
    else this.#ask(side, { type: "symbols", from: reader.count, count });
  }

  #compareKeys(side: Side, pass: ShardPass): void {
    const { reader, partner } = side;
    if (reader === null) return;
    // As many as this shard would have needed: the next one will be like it.
    const found = reader.here.length + reader.there.length;
    this.#whole.symbols = SYMBOLS_FIRST + 1 + Math.ceil(found * 1.4);
    const here = pass.changedNames();
    const there = side.changed;
    const own = new Map(reader.here.map((words) => [named(words, 0), sumText(words)]));
    const theirs = new Map(reader.there.map((words) => [named(words, 0), sumText(words)]));
    const moving = new Set<string>();
    const where = { partner, pending: [...side.pending] };
    for (const name of new Set([...own.keys(), ...theirs.keys()])) {
      const changed = here === null || there === null || here.has(name) || there.has(name);
      if (changed) moving.add(name);
      else this.#found(name, pass, where, theirs.get(name) ?? ABSENT);
    }
    // What was equal once, or has been found to differ, is settled.
    const before = side.unsettled;
    side.unsettled = before === null ? moving : new Set([...moving].filter((n) => before.has(n)));
    if (side.unsettled.size === 0) this.#verified(side, [...side.pending]);
  }

  #found(
    name: string,
    pass: ShardPass,
    { partner: { member }, pending }: { partner: Partner; pending: readonly number[] },
    digest: string,
  ): void {
    const { findings } = this.#whole;
    const { keys } = pass;
    const at = keys?.find(name) ?? -1;
    const own = keys === null || at < 0 ? ABSENT : hex(keys.sums, keys.sumAt(at));
    let finding = findings.get(name);
    if (finding === undefined || finding.own !== own) {
      finding = {
        slots: keys === null || at < 0 ? pending : [keys.slot(at)],
        db: keys === null || at < 0 ? null : keys.db(at),
        key: keys === null || at < 0 ? null : keys.name(at),
        own,
        theirs: new Map(),
        healed: false,
      };
      findings.set(name, finding);
    }
    finding.theirs.set(member, digest);
    for (const voucher of this.#vouchers) finding.theirs.set(voucher, digest);
    this.#fresh.add(name);
  }

  /** What this attempt has found. */
  readonly #fresh = new Set<string>();

  /** Asks for the states that are to take the place of ours; what is to go goes. */
  #decide(byKey: readonly Side[]): void {
    const { findings, members, replica } = this.#whole;
    const answering = this.#sides
      .filter(({ partner }) => partner.silent === null)
      .map(({ partner }) => partner.member);
    const compared = [...new Set([...answering, ...this.#vouchers])];
    for (const name of this.#fresh) {
      const finding = findings.get(name);
      if (finding === undefined || finding.healed) continue;
      const right = rightOf(statesOf(finding, replica.member, compared), members);
      if (right === null || right.digest === finding.own) continue;
      const side = byKey.find(({ partner }) => right.holders.includes(partner.member));
      side?.wanted.push(name);
    }
    this.#mending = true;
    for (const side of byKey) this.#askStates(side);
  }

  #askStates(side: Side): void {
    const names = side.wanted.slice(0, STATES_MAX);
    if (names.length > 0) this.#ask(side, { type: "states", names });
  }

  /** Puts the states that have come in place of ours, if they are what was told and ours has not changed. */
  #mend(side: Side, count: number, source: Source): void {
    const { replica, findings, key: chance } = this.#whole;
    const changed = this.#pass?.changedNames() ?? null;
    const waiting = waitingByKey(replica);
    const again: string[] = [];
    for (let left = count; left > 0; left--) {
      const { name, status } = messages.readStatus(source);
      const finding = findings.get(name);
      const may = changed !== null && !changed.has(name) && finding !== undefined;
      if (status === "yet") again.push(name);
      if (status === "absent" && may && finding.db !== null && finding.key !== null) {
        install(replica, finding.db, finding.key, new Key(), waiting);
        finding.healed = true;
      }
      if (status !== "told") continue;
      const db = source.varint();
      const bytes = Buffer.from(source.view());
      const state = readKeyState(source, side.partner.link.numbering, replica.keyspace);
      const digest = hex(digestOf(state, db, bytes, chance, replica), 0);
      if (may && digest === finding.theirs.get(side.partner.member)) {
        finding.db = db;
        finding.key = bytes;
        install(replica, db, bytes, state, waiting);
        finding.healed = true;
      } else freeKey(state);
    }
    side.wanted = [...again, ...side.wanted.slice(STATES_MAX)];
    if (count > 0) this.#askStates(side);
  }

  #endAttempt(): void {
    const { replica } = this.#whole;
    for (const side of this.#active())
      if (side.keys !== null) this.#whole.ask(side.partner.link, { type: "end" }, this);
    replica.keyspace.changes.unwatch(this.#watched);
    this.#watched = [];
    this.#pass = null;
    this.#own = null;
    this.#mending = false;
    this.#fresh.clear();
    for (const side of this.#sides) side.state = "idle";
    this.#attempt++;
    if (this.#sides.every(({ pending, partner }) => pending.size === 0 || partner.silent !== null))
      return this.#finish();
    const differs = this.#sides.some((side) => side.differs && side.keys === null);
    this.#restUntilMs = replica.monoMs + (differs ? 0 : REST_MS * this.#attempt);
  }

  #finish(): void {
    for (const { partner, unsettled, pending } of this.#sides)
      if (partner.silent === null && pending.size > 0) partner.unsettled += unsettled?.size ?? 1;
    this.done = true;
  }
}

/** Which of the sums are equal here and there, and which are not; what has changed on either side is neither. */
export function comparedSums(
  pass: ShardPass,
  { changed, sums }: messages.SumsTold,
): { same: number[]; unequal: number[] } {
  const same: number[] = [];
  const unequal: number[] = [];
  let at = 0;
  for (const [i, moved] of pass.changes().entries()) {
    if (changed[i] !== false) continue;
    if (!moved) (sameSums(pass.sums, i * DIGEST_WORDS, sums, at) ? same : unequal).push(i);
    at += DIGEST_WORDS;
  }
  return { same, unequal };
}

/** All items of the other side at once. */
function takeItems(reader: SymbolReader, own: Int32Array, theirs: Int32Array): void {
  const left = new Map<string, Int32Array>();
  for (let at = 0; at < own.length; at += ITEM_WORDS)
    left.set(itemText(own, at), own.slice(at, at + ITEM_WORDS));
  for (let at = 0; at < theirs.length; at += ITEM_WORDS) {
    if (left.delete(itemText(theirs, at))) continue;
    reader.there.push(theirs.slice(at, at + ITEM_WORDS));
  }
  reader.here.push(...left.values());
}

function itemText(words: Int32Array, at: number): string {
  return named(words, at) + hex(words, at + NAME_WORDS);
}

/** The sum of a key's parts, as text. */
function sumText(words: Int32Array): string {
  return hex(words, NAME_WORDS);
}
