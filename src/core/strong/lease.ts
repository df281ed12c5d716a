/**
 * Lease: until when this replica may do what an owner does, of keyspaces that go to another region by themselves (`failover: auto`); and
 * who takes them over.
 *
 *   the owner    asks the register every 2 s ─► most regions say what was agreed on ─► still the owner: 8 s from when it asked
 *                nobody answers ─► the lease runs out ─► it refuses, its own region too, until it has heard again
 *   a reply      held with the lease as it was when the command ran ─► broken since: the client is told that nobody knows
 *   the others   nothing of the owner for 6 s ─► the register: another home, a new fence ─► 10 s later, and no sooner, that begins
 *
 * Invariant: at no time do two replicas do what an owner does, or say that they have. Who asked before another home was agreed on stops 8 s after it asked, by
 * its own clock; who asked later was told; and the new owner begins 10 s after it was agreed on, by its own. So clocks may run apart by
 * a tenth, and be set to whatever they like.
 */
import { Vector } from "../clock/vector.ts";
import type { Keyspace } from "../crdt/policy.ts";
import type { Replica } from "../replica/replica.ts";
import type { Wait } from "../replica/waits.ts";
import type { Reply } from "../wire/reply.ts";
import { REGISTER_DB, REGISTER_KEY } from "./configuration.ts";
import type { Strong } from "./strong.ts";

const RENEW_EVERY_MS = 2_000;
const HOLD_MS = 8_000;
/** By then whoever owned keys before has stopped. */
const OVER_MS = 10_000;
/** An owner that is away for so long is replaced; the first of the others tries first. */
const AWAY_MS = 6_000;
const TURN_MS = 2_000;
const LOOK_EVERY_MS = 200;

export class Lease {
  readonly #replica: Replica;
  readonly #strong: Strong;
  #untilMs = -Infinity;
  #askedMs = -Infinity;
  #isAsking = false;
  #lookedMs = -Infinity;
  /** Prefix → since when its owner has been away, as far as is known here. */
  readonly #away = new Map<string, number>();
  /** Prefix and fence → since when this replica has known that it is to take over. */
  readonly #called = new Map<string, number>();
  #isTaking = false;
  /** What replies are held with that rest on the lease, as long as it is held without a break; null before the first of them. */
  #resting: Wait | null = null;
  /** The newest decision about who owns what, when it was last looked at. */
  #fence = 0;
  /** For status: homes that this replica has taken over, and replies that came too late to be given. */
  readonly counts = { taken: 0, late: 0 };

  constructor(replica: Replica, strong: Strong) {
    this.#replica = replica;
    this.#strong = strong;
  }

  /** Why this replica, which owns a keyspace, may do nothing to its keys now, in words; null when it may. */
  objection(keyspace: Keyspace): string | null {
    const { monoMs, run, member } = this.#replica;
    if (monoMs >= this.#untilMs)
      return `AAHOME ${member} owns the keys and has not heard from most regions lately, so another one may own them by now; the command has not run`;
    if (keyspace.forced && !run.homes.hasBegun(keyspace))
      return `AAHOME ${member} takes the keys over once the lease of who owned them is over; the command has not run`;
    return null;
  }

  /**
   * What a reply waits for that rests on the lease: nothing, but when it is given the lease has to have been held without a break since
   * now. The process may have stood still in between, or its disk.
   */
  get resting(): Wait {
    return (this.#resting ??= {
      client: -1,
      terms: { timeoutMs: 0, end: (wait, reply) => this.#given(wait, reply) },
      vector: new Vector(0),
      named: [],
      question: 0,
      sinceMonoMs: 0,
      deadlineMs: 0,
      outcome: "reached",
    });
  }

  #given(resting: Wait, reply: Reply): void {
    const { monoMs, member } = this.#replica;
    if (resting === this.#resting && monoMs < this.#untilMs) return;
    this.counts.late++;
    reply.error(
      `AAUNKNOWN ${member} has run the command, and its lease was over before it could say so: what it has done is kept, and another owner may have gone on without it`,
    );
  }

  /** For how long it holds, in milliseconds; 0: not at all. */
  get leftMs(): number {
    return Math.max(0, this.#untilMs - this.#replica.monoMs);
  }

  /** The process is another one, or may have stood still for however long: nothing holds. */
  tick(): void {
    const { keyspace, monoMs } = this.#replica;
    if (!keyspace.policies.haveLeases || monoMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = monoMs;
    let owns = false;
    let fence = 0;
    for (const one of keyspace.policies.leased()) {
      fence = Math.max(fence, one.fence);
      if (this.#ownerOf(one) === this.#replica.member) {
        owns = true;
        this.#away.delete(one.name);
        if (one.forced) this.#takeUp(one);
      } else this.#watch(one);
    }
    if (fence !== this.#fence) this.#resting = null;
    this.#fence = fence;
    if (owns) this.#renew();
  }

  #ownerOf(keyspace: Keyspace): string | null {
    const { homes } = this.#replica.run;
    return homes.ownerIn(homes.regionOf(keyspace), keyspace.name);
  }

  #renew(): void {
    const { monoMs } = this.#replica;
    if (this.#isAsking || monoMs - this.#askedMs < RENEW_EVERY_MS) return;
    this.#isAsking = true;
    this.#askedMs = monoMs;
    this.#strong.submit(REGISTER_DB, REGISTER_KEY, {
      reads: true,
      deadlineMs: monoMs + HOLD_MS,
      timeoutMs: HOLD_MS,
      run: ({ version }) => ({ reply: Buffer.from(String(version)), next: null }),
      end: (end) => {
        this.#isAsking = false;
        if (end.is === "refused") return;
        // What was agreed on and is not in force here yet may have given the keys to another.
        if (Number(end.reply.latin1Slice()) > this.#strong.register.epoch) return;
        if (this.#replica.monoMs >= this.#untilMs) this.#resting = null;
        this.#untilMs = Math.max(this.#untilMs, monoMs + HOLD_MS);
      },
    });
  }

  /** Begins with what it was given, once nobody else goes on with it. */
  #takeUp(keyspace: Keyspace): void {
    const { run, monoMs, effects } = this.#replica;
    const { homes } = run;
    if (homes.hasBegun(keyspace)) return;
    const { name, fence, home } = keyspace;
    const called = `${fence} ${name}`;
    const sinceMs = this.#called.get(called) ?? monoMs;
    this.#called.set(called, sinceMs);
    if (monoMs - sinceMs < OVER_MS || monoMs >= this.#untilMs || run.refuseWrites !== null) return;
    this.#called.delete(called);
    this.counts.taken++;
    homes.move(name, home, fence);
    run.write.commit();
    effects.push({
      type: "note",
      level: "warn",
      text: `takes over the keys with the prefix ${JSON.stringify(name)}, by epoch ${fence}: what their owner had acknowledged and not shipped, ${HOLD_MS / 1000} s of it at most, comes back as concurrent writes when that owner does`,
    });
  }

  /** Gives the keys of an owner that is away to this replica's region. */
  #watch(keyspace: Keyspace): void {
    const { members, member, region, monoMs, run } = this.#replica;
    const { name, fence } = keyspace;
    const owner = this.#ownerOf(keyspace);
    if (owner !== null && members.isUp(owner, monoMs)) {
      this.#away.delete(name);
      return;
    }
    const sinceMs = this.#away.get(name) ?? monoMs;
    this.#away.set(name, sinceMs);
    const turn = AWAY_MS + TURN_MS * members.names.indexOf(member);
    if (monoMs - sinceMs < turn || this.#isTaking || run.refuseWrites !== null) return;
    if (run.homes.ownerIn(region, name) !== member || this.#strong.objection() !== null) return;
    this.#isTaking = true;
    this.#away.set(name, monoMs);
    this.#strong.register.takeOver({ prefix: name, fence, region }, OVER_MS, () => {
      this.#isTaking = false;
    });
  }
}
