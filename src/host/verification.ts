/**
 * Verification: has the replica compare itself with its peers, on demand and on schedule, and sees to it that what is wrong is mended.
 *
 *   compare everything ─► equal, different, or cannot tell
 *   mend: compare ─► who is astray, and where? ─► we: compare those slots and mend │ peers: are told to ─► compare those slots again
 *
 * Invariant: every replica mends itself alone. What was mended is in a checkpoint before anybody hears that it was: there is no record
 * of it to be replayed.
 */
import { type Finding, rightOf, statesOf } from "../core/verify/findings.ts";
import { astray, type Order, type Progress } from "../core/verify/verifier.ts";
import { SHARD_SLOTS, ALL_SLOTS } from "../core/keyspace/changes.ts";
import { beginTell } from "../core/verify/messages.ts";
import { Sink } from "../core/bytes/sink.ts";
import { FRAME } from "../core/wire/frame.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { NodeStatus } from "./status.ts";

export interface VerificationHost {
  readonly replica: Replica;
  beginTurn(): void;
  turnEnded(): void;
  /** Calls back once everyone else has had a turn. */
  soon(callback: () => void): void;
  /** 32 random bits. */
  random(): number;
  /** Resolves when everything there is now is in a checkpoint. */
  checkpointed(): Promise<void>;
  warn(facts: object, text: string): void;
}

/** A key that is not the same everywhere. */
export interface Difference {
  db: number | null;
  /** One character a byte; null while only another member knows it. */
  key: string | null;
  /** Member → eight hexadecimal digits of what it holds, or null for nothing. */
  holds: Record<string, string | null>;
  /** What mending does: nothing can be decided, or these members adopt what the others hold. */
  adopts: string[] | null;
}

export interface VerifyReport {
  /** Who compared itself with the others. */
  member: string;
  /** Null: it could not be told; `reason` says why. */
  equal: boolean | null;
  reason: string | null;
  /** Origin → seq: everything up to here was compared. */
  cut: Record<string, number>;
  differences: number;
  coverage: {
    /** Slots that were verified with every other member, and all there are. */
    slots: number;
    of: number;
    members: {
      member: string;
      verified: number;
      of: number;
      /** Keys that changed all the time. */
      unsettled: number;
      /** Why it was not compared, or not to the end. */
      reason: string | null;
    }[];
  };
  /** The first of them. */
  keys: Difference[];
  /** Keys that were mended, by member. */
  healed: Record<string, number>;
  undecided: number;
  bytes: number;
  tookMs: number;
}

/** What is under way, for whoever watches. */
export interface VerifyState {
  running: boolean;
  phase: "idle" | "comparing" | "mending" | "comparing again";
  shards: number;
  shardsDone: number;
  differences: number;
  /** Of the last one that ended. */
  report: VerifyReport | null;
}

export type Mending = "no" | "few" | "all";

/** More slots than this wrong at once is no accident of single keys: an operator has to say so. */
const FEW_SLOTS_MAX = ALL_SLOTS / 1000;
const KEYS_SHOWN_MAX = 1_000;
const HEAL_MAX_MS = 120_000;
/** How often all of it is compared when links break meanwhile, and how long is waited for them to come back. */
const ATTEMPTS_MAX = 4;
const BACK_WITHIN_MS = 10_000;
/** How long is waited for members without a link before the first: one may be about to open, as behind a restart. */
const THERE_WITHIN_MS = 3_000;

export class Verification {
  readonly #host: VerificationHost;
  #scheduled = false;
  #waiters: { progress: Progress; resolve: (progress: Progress) => void }[] = [];
  /** Who waits for links to come back, and until when. */
  #awaiting: { members: readonly string[]; untilMs: number; resolve: () => void } | null = null;
  #phase: VerifyState["phase"] = "idle";
  #progress: Progress | null = null;
  report: VerifyReport | null = null;
  #endedMs: number | null = null;
  /** Keys mended here since the start. */
  #mendedKeys = 0;

  constructor(host: VerificationHost) {
    this.#host = host;
  }

  /** For `/status` and metrics. */
  status(nowMs: number): NodeStatus["verify"] {
    return {
      running: this.#phase !== "idle",
      ageMs: this.#endedMs === null ? null : Math.round(nowMs - this.#endedMs),
      equal: this.report?.equal ?? null,
      differences: this.report?.differences ?? 0,
      mendedKeys: this.#mendedKeys,
    };
  }

  get state(): VerifyState {
    return {
      running: this.#phase !== "idle",
      phase: this.#phase,
      shards: this.#progress?.shards ?? 0,
      shardsDone: this.#progress?.shardsDone ?? 0,
      differences: (this.#progress?.findings.size ?? 0) + (this.#progress?.verdicts.size ?? 0),
      report: this.report,
    };
  }

  /** Goes on if there is anything to do; call it at the end of a turn. */
  pump(): void {
    for (const waiter of this.#waiters.filter(({ progress }) => progress.done)) {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      waiter.resolve(waiter.progress);
    }
    this.#lookForLinks();
    if (this.#scheduled || !this.#host.replica.compares) return;
    this.#scheduled = true;
    this.#host.soon(this.#slice);
  }

  readonly #slice = (): void => {
    this.#scheduled = false;
    this.#host.beginTurn();
    this.#host.replica.compare();
    this.#host.turnEnded();
    this.pump();
  };

  /** Compares; resolves to what was found, or to null while another comparison is under way. */
  #compare(order: Order): Promise<Progress | null> {
    const { replica } = this.#host;
    const progress = replica.verifier.start(order);
    if (progress === null) return Promise.resolve(null);
    this.#progress = progress;
    return new Promise((resolve) => {
      this.#waiters.push({ progress, resolve });
      this.#host.beginTurn();
      replica.verifier.step();
      this.#host.turnEnded();
      this.pump();
    });
  }

  /**
   * Compares everything, and again if links broke that have come back: what is equal then is equal, at the later cut. Digests of what
   * was not written to meanwhile are known.
   */
  async #compareAll(chance: Int32Array, votes: boolean): Promise<Progress | null> {
    for (let attempt = 1; ; attempt++) {
      const progress = await this.#compare({ chance, mends: false, votes, slots: null });
      const broken = progress === null ? [] : this.#broken(progress);
      if (broken.length === 0 || attempt === ATTEMPTS_MAX) return progress;
      // What differs from somebody is no longer equal to all; whom it was found with may be gone the next time.
      if (!votes && progress !== null && progress.findings.size > 0) return progress;
      await this.#linked(broken, BACK_WITHIN_MS);
      if (!broken.some((member) => this.#isLinked(member))) return progress;
    }
  }

  /** Members that it was not compared with to the end because their links broke. */
  #broken({ partners }: Progress): string[] {
    const { links } = this.#host.replica.exchange;
    return partners
      .filter(({ silent, link }) => silent !== null && links.get(link.id) !== link)
      .map(({ member }) => member);
  }

  #isLinked(member: string): boolean {
    return this.#host.replica.exchange.linkTo(member) !== undefined;
  }

  /** Resolves when all of these are linked, or after a while. */
  #linked(members: readonly string[], withinMs: number): Promise<void> {
    const untilMs = this.#host.replica.monoMs + withinMs;
    return new Promise((resolve) => {
      this.#awaiting = { members, untilMs, resolve };
    });
  }

  #lookForLinks(): void {
    if (this.#awaiting === null) return;
    const { members, untilMs, resolve } = this.#awaiting;
    const isOver = this.#host.replica.monoMs > untilMs;
    if (!isOver && !members.every((member) => this.#isLinked(member))) return;
    this.#awaiting = null;
    resolve();
  }

  /** Compares this replica with all others, and mends if told to; null while that is under way already. */
  async verify(mending: Mending): Promise<VerifyReport | null> {
    if (this.#phase !== "idle") return null;
    const { replica } = this.#host;
    const startedMs = replica.monoMs;
    this.#phase = "comparing";
    this.report = null;
    try {
      const { names } = replica.members;
      const absent = names.filter((name) => name !== replica.member && !this.#isLinked(name));
      if (absent.length > 0) await this.#linked(absent, THERE_WITHIN_MS);
      const chance = this.#draw();
      const votes = mending !== "no";
      const first = await this.#compareAll(chance, votes);
      if (first === null) return null;
      const report = this.#describe(first, startedMs);
      const slots = new Set(first.verdicts.keys());
      for (const finding of first.findings.values())
        for (const slot of finding.slots) slots.add(slot);
      if (mending === "few" && slots.size > FEW_SLOTS_MAX) {
        // Nothing is mended: then the keys are to be named.
        const each = await this.#compare({ chance, mends: false, votes: false, slots: [...slots] });
        if (each !== null) this.#restate(report, each);
        report.reason = `${slots.size} slots differ, which is more than single damaged keys: look at what happened, then mend with --all, or empty the member that is wrong`;
      } else if (votes && slots.size > 0) await this.#mend(first, chance, [...slots], report);
      report.tookMs = Math.round(replica.monoMs - startedMs);
      this.report = report;
      this.#endedMs = replica.monoMs;
      return report;
    } finally {
      this.#phase = "idle";
    }
  }

  #draw(): Int32Array {
    return Int32Array.from({ length: 4 }, () => this.#host.random());
  }

  async #mend(
    first: Progress,
    chance: Int32Array,
    slots: readonly number[],
    report: VerifyReport,
  ): Promise<void> {
    const { replica } = this.#host;
    const wrong = astray(first, replica.member, replica.members.names.length);
    this.#phase = "mending";
    const outcomes = [...wrong].map(async ([member, where]) => {
      const healed =
        member === replica.member
          ? await this.#mendHere(where, chance)
          : await this.#mendThere(first, member, { slots: where, chance });
      if (healed === null) this.#host.warn({ member }, "a member that differs could not be mended");
      else report.healed[member] = healed;
    });
    await Promise.all(outcomes);
    this.#phase = "comparing again";
    const again = await this.#compare({ chance, mends: false, votes: false, slots });
    if (again === null) return;
    this.#restate(report, again);
    // What was equal the first time was not looked at again.
    const whole = [...again.partners].every(
      ({ silent, verified }) => silent === null && verified === slots.length,
    );
    const others = report.coverage.members.filter(({ reason }) => reason !== null);
    report.equal = report.differences > 0 ? false : whole && others.length === 0 ? true : null;
    report.reason =
      report.equal === null
        ? (others[0]?.reason ?? "what was mended could not be compared again")
        : null;
  }

  /** What differs is what was found last, key by key. */
  #restate(report: VerifyReport, progress: Progress): void {
    const { differences, keys, undecided, bytes } = this.#describe(progress, progress.startedMs);
    report.differences = differences;
    report.keys = keys;
    report.undecided = undecided;
    report.bytes += bytes;
  }

  /** Compares slots and adopts what the others agree about; returns how many keys were mended, null if it could not begin. */
  async #mendHere(slots: readonly number[], chance: Int32Array): Promise<number | null> {
    const progress = await this.#compare({ chance, mends: true, votes: true, slots });
    if (progress === null) return null;
    const healed = [...progress.findings.values()].filter((finding) => finding.healed).length;
    if (healed > 0) {
      this.#mendedKeys += healed;
      this.#host.warn(
        { healed },
        "keys that differed from what the other members hold were mended",
      );
      await this.#host.checkpointed();
    }
    return healed;
  }

  #mendThere(
    { partners }: Progress,
    member: string,
    what: { slots: number[]; chance: Int32Array },
  ): Promise<number | null> {
    const partner = partners.find((one) => one.member === member);
    if (partner === undefined) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#host.beginTurn();
      this.#host.replica.verifier.order(partner.link, what, HEAL_MAX_MS, (outcome) =>
        resolve(outcome === null ? null : Number(outcome)),
      );
      this.#host.turnEnded();
    });
  }

  /** A peer says that this replica is wrong about some slots: it sees for itself. */
  async healed({
    link,
    id,
    slots,
    chance,
  }: {
    link: number;
    id: number;
    slots: readonly number[];
    chance: Int32Array | null;
  }): Promise<void> {
    const healed =
      this.#phase === "idle" ? await this.#healing(slots, chance ?? this.#draw()) : null;
    const { replica } = this.#host;
    const peer = replica.exchange.links.get(link);
    if (peer === undefined) return;
    this.#host.beginTurn();
    const sink = new Sink();
    beginTell(sink, peer.numbering, id, healed === null ? "refused" : "healed");
    sink.text(healed === null ? "it compares or mends already" : String(healed));
    replica.exchange.send(peer, FRAME.VERIFY_TELL, sink.copy());
    this.#host.turnEnded();
  }

  async #healing(slots: readonly number[], chance: Int32Array): Promise<number | null> {
    this.#phase = "mending";
    try {
      return await this.#mendHere(slots, chance);
    } finally {
      this.#phase = "idle";
    }
  }

  #describe(progress: Progress, startedMs: number): VerifyReport {
    const { replica } = this.#host;
    const others = replica.members.names.filter((name) => name !== replica.member);
    const of = progress.shards * SHARD_SLOTS;
    const members = others.map((member) => {
      const partner = progress.partners.find((one) => one.member === member);
      const verified = partner?.verified ?? 0;
      const unsettled = partner?.unsettled ?? 0;
      const reason =
        partner === undefined
          ? `there is no link to ${member}`
          : partner.silent !== null
            ? `${member}: ${partner.silent}`
            : unsettled > 0
              ? `${unsettled} keys changed here and at ${member} all the time`
              : null;
      return { member, verified, of, unsettled, reason };
    });
    // A slot whose keys were not told apart has one that differs, at least.
    const differences = progress.findings.size + progress.verdicts.size;
    const reason =
      others.length === 0
        ? "there is no other member"
        : (members.find((member) => member.reason !== null)?.reason ?? null);
    const findings = [...progress.findings.values()];
    const keys = findings.slice(0, KEYS_SHOWN_MAX).map((one) => this.#difference(one, progress));
    return {
      member: replica.member,
      equal: differences > 0 ? false : reason === null ? true : null,
      reason: differences > 0 ? null : reason,
      cut: replica.describe(progress.vector),
      differences,
      coverage: { slots: Math.min(of, ...members.map(({ verified }) => verified)), of, members },
      keys,
      healed: {},
      undecided: findings.filter((one) => this.#rightOf(one, progress).right === null).length,
      bytes: progress.bytesSent + progress.bytesReceived,
      tookMs: Math.round(replica.monoMs - startedMs),
    };
  }

  #rightOf(
    finding: Finding,
    { partners }: Progress,
  ): { states: Map<string, string>; right: ReturnType<typeof rightOf> } {
    const { member, members } = this.#host.replica;
    const compared = partners.filter(({ silent }) => silent === null).map((one) => one.member);
    const states = statesOf(finding, member, compared);
    return { states, right: rightOf(states, members.names.length) };
  }

  #difference(finding: Finding, progress: Progress): Difference {
    const { states, right } = this.#rightOf(finding, progress);
    return {
      db: finding.db,
      key: finding.key === null ? null : finding.key.latin1Slice(),
      holds: Object.fromEntries(
        [...states].map(([member, digest]) => [member, digest === "" ? null : digest.slice(0, 8)]),
      ),
      adopts:
        right === null
          ? null
          : [...states].filter(([, digest]) => digest !== right.digest).map(([member]) => member),
    };
  }
}
