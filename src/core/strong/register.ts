/**
 * Register: the keyspaces that the cluster has agreed on, in force here, and how they change.
 *
 *   edit ─► agreed on ─► learned by all, in whatever order they hear of anything: in force
 *       └─ who writes keys, or how they are kept: frozen ─► all refuse writes, have that durably, and say so ─► the cut
 *              ─► all have applied what was made before the cut ─► (keys there that stand against it?) ─► agreed on: thawed
 *
 * Invariant: a keyspace that thaws under other rules holds everything that was written under those of before, at whoever thaws it:
 * whoever told of the thaw had that, and all others said so. What begun and was left is given up by whoever notices, never done.
 * Until something was agreed on, each node's own file holds; from then on, none does.
 */
import { notReadByAll } from "../commands/errors.ts";
import { Malformed } from "../bytes/source.ts";
import { Vector } from "../clock/vector.ts";
import { policyOf, wordsOf } from "../crdt/keyspace-words.ts";
import type { KeyspacePolicy } from "../crdt/policy.ts";
import { AGREED_KEYSPACES } from "../replica/formats.ts";
import type { Replica } from "../replica/replica.ts";
import {
  areSame,
  begin,
  type Configuration,
  decodeConfiguration,
  type Edit,
  encodeConfiguration,
  finish,
  freezes,
  needsNoKeys,
  type Outcome,
  REGISTER_DB,
  REGISTER_KEY,
  takeOver,
  type Takeover,
  wordsAt,
} from "./configuration.ts";
import { type Governed, governedKeys } from "./governed-keys.ts";
import type { Strong } from "./strong.ts";
import type { StrongValue } from "./strong-state.ts";

/** What came of an edit: the epoch since which it holds, or why it does not, as an error with its code. */
export type Changed = { readonly epoch: number } | { readonly refusal: string };

interface UnderWay {
  readonly prefix: string;
  readonly id: number;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  /** What has to be applied everywhere; null until all have stopped. */
  cut: Vector | null;
  /** Looks for keys that stand against it; null where none do. */
  search: Generator<void, Governed> | null;
  isEnding: boolean;
  end(changed: Changed): void;
}

/** Ends of a change are tried for so long; who fails leaves it to whoever notices. */
const END_WITHIN_MS = 5_000;
/** A change of somebody who is away is given up after so long, by one member after the other. */
const ORPHANED_MS = 10_000;
const TURN_MS = 3_000;
/** A change travels whole, with all keyspaces. */
const MAX_BYTES = 60 * 1024;
/** The refusal of what keys that are there stand against. */
export const HAS_KEYS =
  "ERR there are keys with the prefix, and they would stay as they are: how keys are kept, and whether they are strong, is chosen before there are any; nothing was changed";

export class Register {
  readonly #replica: Replica;
  readonly #strong: Strong;
  /** What this node's own file says: it holds until something was agreed on. */
  readonly file: Configuration;
  /** Null: nothing was agreed on yet. */
  agreed: Configuration | null = null;
  /** Of what is in force here; 0 for the file. */
  epoch = 0;
  /** The newest epoch that is durable here, and for which nothing is under way any more that it forbids. */
  settledEpoch = 0;
  /** The epoch that is to become durable, and what has to be durable for it. */
  #settling: { readonly epoch: number; readonly vector: Vector } | null = null;
  #notedEpoch = 0;
  readonly #underWay = new Set<UnderWay>();
  /** Since when the change of each prefix has had nobody. */
  readonly #orphans = new Map<string, number>();
  /** Changes agreed on by this member, given up, and waited for; for status. */
  readonly counts = { changes: 0, givenUp: 0 };

  constructor(replica: Replica, strong: Strong, file: readonly KeyspacePolicy[]) {
    this.#replica = replica;
    this.#strong = strong;
    this.file = file
      .map((policy) => ({
        prefix: Buffer.from(policy.prefix).latin1Slice(),
        since: 0,
        fence: 0,
        forced: false,
        words: wordsOf(policy),
        change: null,
      }))
      .toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
  }

  get configuration(): Configuration {
    return this.agreed ?? this.file;
  }

  /** Something was agreed on: it is in force from now on. Throws `Malformed` when a newer version has written it. */
  follow({ version, value }: StrongValue): void {
    if (value === null) return;
    const before = this.configuration;
    const agreed = decodeConfiguration(value);
    this.agreed = agreed;
    this.epoch = version;
    const { keyspace, run } = this.#replica;
    const { policies } = keyspace;
    policies.become(
      agreed.map(({ prefix, since, fence, forced, words, change }) => ({
        ...policyOf(prefix, words, policies.resolvers),
        since,
        fence,
        forced,
        frozen: change !== null,
      })),
    );
    // Who owns what, and who may wait for it, is looked at anew.
    keyspace.homesVersion++;
    const changed = [...before, ...agreed].filter(
      (one) => !before.includes(one) || !agreed.includes(one),
    );
    for (const { prefix } of changed) run.changed(prefix);
  }

  // ── changes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Has an edit agreed on; `end` is told in a later turn, or at once when it is refused here. */
  change(edit: Edit, timeoutMs: number, end: (changed: Changed) => void): void {
    const { members, monoMs, run } = this.#replica;
    if (!run.allRead(AGREED_KEYSPACES))
      return end({ refusal: notReadByAll("keyspaces that the cluster agrees on") });
    const lacking = this.#strong.objection();
    if (lacking !== null)
      return end({
        refusal: `AANOQUORUM no majority of regions, ${lacking}; nothing was changed`,
      });
    if (freezes(this.configuration, edit)) {
      const away = members.names.filter((name) => !members.isUp(name, monoMs));
      if (away.length > 0)
        return end({
          refusal: `AANOQUORUM every member has to stop writing these keys first, and ${away.join(", ")} is away; nothing was changed`,
        });
    }
    const { member, life } = this.#strong;
    const deadlineMs = monoMs + timeoutMs;
    this.#propose(
      (configuration, epoch) => begin(configuration, edit, epoch, { member, life }),
      timeoutMs,
      (outcome) => {
        if ("refusal" in outcome || outcome.is === "done") return end(outcome);
        const { prefix } = edit;
        const { epoch: id } = outcome;
        this.#underWay.add({
          prefix,
          id,
          deadlineMs,
          timeoutMs,
          cut: null,
          search: null,
          isEnding: false,
          end,
        });
      },
    );
  }

  /** Has all members agree on another home for the keys of an owner that is away. */
  takeOver(takeover: Takeover, timeoutMs: number, end: (changed: Changed) => void): void {
    this.#propose(
      (configuration, epoch) => takeOver(configuration, takeover, epoch),
      timeoutMs,
      end,
    );
  }

  #propose(
    decide: (configuration: Configuration, epoch: number) => Outcome,
    timeoutMs: number,
    told: (outcome: { refusal: string } | { is: "done" | "begun"; epoch: number }) => void,
  ): void {
    this.#strong.submit(REGISTER_DB, REGISTER_KEY, {
      reads: false,
      deadlineMs: this.#replica.monoMs + timeoutMs,
      timeoutMs,
      run: (value) => this.#run(value, decide),
      end: (end) => {
        if (end.is === "refused")
          return told({
            refusal: `${end.reason}${this.#stillNew()}`.replace("written", "changed"),
          });
        const [is, ...rest] = end.reply.latin1Slice().split(" ");
        if (is === "refused") return told({ refusal: `ERR ${rest.join(" ")}` });
        this.counts.changes++;
        told({ is: is === "begun" ? "begun" : "done", epoch: Number(rest[0]) });
      },
    });
  }

  /** What only those who decide for the first time need. */
  #stillNew(): string {
    const { lacking } = this.#strong;
    return lacking === null
      ? ""
      : `. Members decide for the first time once all of them have been there together: ${lacking} has not answered yet`;
  }

  #run(
    { value, version }: StrongValue,
    decide: (configuration: Configuration, epoch: number) => Outcome,
  ): { reply: Buffer; next: StrongValue | null } {
    const saying = (text: string): { reply: Buffer; next: null } => ({
      reply: Buffer.from(text, "latin1"),
      next: null,
    });
    let before: Configuration;
    try {
      before = value === null ? this.file : decodeConfiguration(value);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return saying(`refused ${error.message}`);
    }
    const epoch = version + 1;
    const outcome = decide(before, epoch);
    if (outcome.is === "refused") return saying(`refused ${outcome.reason}`);
    if (outcome.next === before) return saying(`done ${version}`);
    const bytes = encodeConfiguration(outcome.next);
    if (bytes.length > MAX_BYTES)
      return saying(`refused all keyspaces together take ${MAX_BYTES} bytes at most`);
    return {
      reply: Buffer.from(`${outcome.is} ${epoch}`),
      next: { version: epoch, value: bytes, deadline: Infinity },
    };
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  tick(): void {
    if (this.epoch === 0) return;
    this.#note();
    this.#settle();
    for (const one of this.#underWay) this.#advance(one);
    this.#adopt();
  }

  /** Tells operators what is in force, and what of their file is not. */
  #note(): void {
    if (this.#notedEpoch === this.epoch) return;
    this.#notedEpoch = this.epoch;
    const { effects } = this.#replica;
    const text = `keyspaces are those of epoch ${this.epoch}, as the cluster has agreed on`;
    effects.push({ type: "note", level: "info", text });
    const differ = this.differences().map((prefix) => JSON.stringify(prefix));
    if (differ.length === 0) return;
    effects.push({
      type: "note",
      level: "warn",
      text: `the configuration file says something else of ${differ.join(", ")}: what was agreed on holds`,
    });
  }

  /** The prefixes of which this node's file says something else than was agreed on. */
  differences(): string[] {
    const { agreed } = this;
    if (agreed === null) return [];
    const isAgreed = ({ prefix, words }: Configuration[number]): boolean =>
      agreed.some((one) => one.prefix === prefix && areSame(one.words, words));
    return this.file.filter((one) => !isAgreed(one)).map(({ prefix }) => prefix);
  }

  /** Once what was learned is durable and what it forbids has come to its end, the others are told so. */
  #settle(): void {
    if (this.settledEpoch === this.epoch) return;
    const { applied, durable, keyspace } = this.#replica;
    if (this.#settling?.epoch !== this.epoch)
      this.#settling = { epoch: this.epoch, vector: applied.copy() };
    if (!durable.includes(this.#settling.vector)) return;
    const { policies } = keyspace;
    const isFrozen = (key: Buffer): boolean => policies.find(key, 0, key.length)?.frozen === true;
    if (policies.haveFrozen && !this.#strong.isSettled(isFrozen)) return;
    this.settledEpoch = this.epoch;
    this.#settling = null;
  }

  #advance(one: UnderWay): void {
    if (one.isEnding) return;
    const { monoMs, durable } = this.#replica;
    if (monoMs >= one.deadlineMs) return this.#giveUp(one, this.#whoLacks(one));
    if (this.epoch < one.id) return;
    if (one.cut === null) {
      if (this.#unsettled(one).length > 0) return;
      one.cut = this.#cut();
    }
    const { cut } = one;
    if (!durable.includes(cut) || this.#lacking(cut).length > 0) return;
    const own = this.agreed?.find(({ prefix }) => prefix === one.prefix);
    if (own?.change?.id !== one.id) return this.#leave(one);
    const after = wordsAt(this.agreed ?? [], one.prefix, own.change.words);
    if (needsNoKeys(own.words, after)) {
      const { keyspace, run } = this.#replica;
      one.search ??= governedKeys(keyspace, this.#strong.learned, one.prefix, run.nowMs);
      const { done, value } = one.search.next();
      if (done !== true) return;
      if (value === "keys") return this.#giveUp(one, HAS_KEYS);
      if (value === "remains") {
        one.search = null;
        return;
      }
    }
    one.isEnding = true;
    this.#end(one, true, (outcome) => one.end(outcome));
  }

  #end(one: UnderWay, does: boolean, told: (changed: Changed) => void): void {
    one.isEnding = true;
    this.#propose(
      (configuration, epoch) => finish(configuration, one.prefix, one.id, epoch, does),
      END_WITHIN_MS,
      (outcome) => {
        this.#underWay.delete(one);
        told(outcome);
      },
    );
  }

  #giveUp(one: UnderWay, refusal: string): void {
    this.counts.givenUp++;
    this.#end(one, false, () => one.end({ refusal }));
  }

  /** Somebody else has given it up. */
  #leave(one: UnderWay): void {
    this.#underWay.delete(one);
    one.end({ refusal: "AAINCOMPLETE the change was given up meanwhile; nothing was changed" });
  }

  #whoLacks(one: UnderWay): string {
    const lacking = one.cut === null ? this.#unsettled(one) : this.#lacking(one.cut);
    const who = lacking.length > 0 ? lacking.join(", ") : this.#replica.member;
    const what =
      one.cut === null ? "stopped writing these keys" : "everything that was written before";
    return `AAINCOMPLETE ${who} has not ${one.cut === null ? "" : "got "}${what} within ${one.timeoutMs} ms; nothing was changed`;
  }

  /** The members that may still write under the rules of before. */
  #unsettled({ id }: UnderWay): string[] {
    const { members, member } = this.#replica;
    return members.names.filter((name) =>
      name === member ? this.settledEpoch < id : (members.latest(name)?.settledEpoch ?? 0) < id,
    );
  }

  #cut(): Vector {
    const { members, applied } = this.#replica;
    const cut = applied.copy();
    for (const report of members.reports()) cut.join(report.applied);
    return cut;
  }

  #lacking(cut: Vector): string[] {
    const { members, member } = this.#replica;
    return members.names.filter(
      (name) => name !== member && members.latest(name)?.durable.includes(cut) !== true,
    );
  }

  /** Gives up changes whose member is another process now, or away. */
  #adopt(): void {
    const { members, member, monoMs } = this.#replica;
    const { life } = this.#strong;
    for (const { prefix, change } of this.agreed ?? []) {
      if (change === null) {
        this.#orphans.delete(prefix);
        continue;
      }
      const isOurs = change.member === member;
      const lives = isOurs
        ? change.life === life && [...this.#underWay].some(({ id }) => id === change.id)
        : members.names.includes(change.member) && members.isUp(change.member, monoMs);
      if (lives) {
        this.#orphans.delete(prefix);
        continue;
      }
      const sinceMs = this.#orphans.get(prefix) ?? monoMs;
      this.#orphans.set(prefix, sinceMs);
      const turn = ORPHANED_MS + TURN_MS * members.names.indexOf(member);
      if (monoMs - sinceMs < (isOurs ? TURN_MS : turn)) continue;
      this.#orphans.set(prefix, monoMs);
      this.counts.givenUp++;
      this.#propose(
        (configuration, epoch) => finish(configuration, prefix, change.id, epoch, false),
        END_WITHIN_MS,
        () => {},
      );
    }
  }
}
