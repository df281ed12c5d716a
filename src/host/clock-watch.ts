/**
 * ClockWatch: which time a node goes by, and whether that may be believed.
 *
 *   start ─► the wall clock is as far as the last time known ─► told
 *         └► it is ahead of that: others are asked           ─► told ─► drifts, jumps: AnchoredClock
 *
 * Invariant: no writes are taken while the time is not told, or while most of those heard would hold them for being from the future.
 */
import { AnchoredClock } from "../core/clock/anchored.ts";
import { BootTime, KNOWN_MAX_MS } from "../core/clock/boot-time.ts";
import { plausibleMs } from "../core/clock/stamp.ts";
import type { ClockFacts } from "../core/commands/clock.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { NodeLog, NodeWorld } from "./node-world.ts";
import type { Standing } from "./standing.ts";

export class ClockWatch {
  readonly #replica: Replica;
  readonly #standing: Standing;
  readonly #wallMs: () => number;
  readonly #monoMs: () => number;
  readonly #log: NodeLog;
  readonly #clock: AnchoredClock;
  /** Null once the time is told. */
  #boot: BootTime | null = null;
  /** What the clocks of those that are heard are ahead of ours, as of the last look. */
  #offsets: number[] = [];
  /** Whether it was said that the time is not told. */
  #isSaid = false;
  /** Members whose records are held for being from the future. */
  #held = "";

  constructor(
    replica: Replica,
    standing: Standing,
    world: Pick<NodeWorld, "wallMs" | "monoMs" | "log">,
  ) {
    this.#replica = replica;
    this.#standing = standing;
    this.#wallMs = () => plausibleMs(world.wallMs());
    this.#monoMs = () => world.monoMs();
    this.#log = world.log;
    const [wallMs, monoMs] = [this.#wallMs(), this.#monoMs()];
    const knownMs = Math.max(replica.clock.ms, replica.ceilingMs);
    const isDoubtful = this.#others > 0 && wallMs > knownMs + KNOWN_MAX_MS;
    this.#clock = new AnchoredClock(isDoubtful ? knownMs : wallMs, monoMs);
    if (!isDoubtful) return;
    this.#boot = new BootTime(knownMs, wallMs, monoMs);
    standing.clockUntold(this.#boot.reason(wallMs));
  }

  /** How many other members there are. */
  get #others(): number {
    return this.#replica.members.names.length - 1;
  }

  /** A turn begins. */
  begin(): void {
    const [wallMs, monoMs] = [this.#wallMs(), this.#monoMs()];
    // Those whose clocks are known: behind a hub, or while regions are away, that is not everybody.
    const peers = Math.min(this.#others, Math.max(1, this.#offsets.length));
    this.#replica.begin(this.#clock.read(wallMs, monoMs, this.#offsets, peers), wallMs, monoMs);
  }

  /** Tells the time as soon as that can be. */
  look(): void {
    const boot = this.#boot;
    if (boot === null) return;
    const wallMs = this.#wallMs();
    const { nowMs, monoMs } = this.#replica;
    const offsetsMs = this.#heard();
    const told = boot.tell({ wallMs, nowMs, monoMs, offsetsMs, others: this.#others });
    this.#standing.clockUntold(told === null ? boot.reason(wallMs) : null);
    if (told === null) return;
    this.#boot = null;
    this.#offsets = [];
    this.#clock.set(told);
    if (this.#isSaid) this.#log.warn({}, "this node knows what time it is: it takes writes");
    this.begin();
  }

  #heard(): number[] {
    return [...this.#replica.exchange.links.values()]
      .map((link) => link.clockOffsetMs)
      .filter((offset) => offset !== null);
  }

  /** Once a second: whether others would hold what we stamp, and whom we hold. */
  judge(): void {
    if (this.#boot !== null && !this.#isSaid) {
      this.#isSaid = true;
      this.#log.warn({}, this.#boot.reason(this.#wallMs()));
    }
    this.#offsets = this.#heard();
    this.#standing.judgeClock(this.#offsets, this.#others);
    const held = this.facts().members.filter(({ heldRecords }) => heldRecords > 0);
    const names = held.map(({ member }) => member).join(", ");
    if (names !== this.#held && names !== "")
      this.#log.warn({}, `records of ${names} are held, as they are from the future: see AA.CLOCK`);
    this.#held = names;
  }

  /** An operator says that the wall clock is right. Returns why that changes nothing, or null. */
  accept(): string | null {
    if (this.#boot === null) return "the time is told: nothing waits for somebody's word";
    this.#boot.accept();
    this.#log.warn({ wallMs: this.#wallMs() }, "an operator says that this node's clock is right");
    return null;
  }

  facts(): ClockFacts {
    const { nowMs, clock, ceilingMs, members, exchange, delivery, origins } = this.#replica;
    const links = [...exchange.links.values()];
    const waiting = [...delivery.waiting.values()].filter(({ aheadMs }) => aheadMs > 0);
    const others = members.names.filter((name) => name !== this.#replica.member);
    return {
      nowMs,
      offsetMs: this.#clock.offsetMs,
      suspect: this.#standing.clockReason ?? this.#clock.suspect,
      stampMs: clock.ms,
      ceilingMs,
      told: this.#boot === null,
      members: others.map((member) => {
        const held = waiting.filter(({ origin }) => origins.get(origin).member === member);
        return {
          member,
          offsetMs: links.find((link) => link.member === member)?.clockOffsetMs ?? null,
          heldRecords: held.reduce((sum, { records }) => sum + records.length, 0),
          heldMs: Math.max(0, ...held.map(({ aheadMs }) => aheadMs - nowMs)),
        };
      }),
    };
  }
}
