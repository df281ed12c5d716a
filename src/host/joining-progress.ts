/**
 * Progress: how far a replica is that does not have what it needs yet, in figures and in words.
 *
 * Invariant: rates are of the last few seconds, and what is not known is null.
 */
import type { Replica } from "../core/replica/replica.ts";
import type { JoiningStatus } from "./status.ts";

interface World {
  readonly log: { info(facts: object, message: string): void };
  readonly monoMs: () => number;
}

/** Samples a second apart that a rate is taken over. */
const SAMPLES = 5;

export class Progress {
  readonly #replica: Replica;
  readonly #world: World;
  #samples: { readonly atMs: number; readonly bytes: number; readonly keys: number }[] = [];
  /** Records that were missing when something last came, and when that was. */
  #missing = Infinity;
  #movedMs: number;
  #said = "";

  constructor(replica: Replica, world: World) {
    this.#replica = replica;
    this.#world = world;
    this.#movedMs = world.monoMs();
  }

  /** Logs what is new; call it once a second. */
  say(): void {
    this.#sample();
    const status = this.status();
    if (status === null) return;
    const text = this.text();
    if (text === this.#said) return;
    this.#said = text;
    this.#world.log.info(status, text);
  }

  #sample(): void {
    const receiving = this.#replica.exchange.joining.status();
    if (receiving === null) this.#samples = [];
    else {
      this.#samples.push({
        atMs: this.#world.monoMs(),
        bytes: receiving.bytes,
        keys: receiving.keys,
      });
      if (this.#samples.length > SAMPLES + 1) this.#samples.shift();
    }
    const missing = this.#missingRecords() ?? Infinity;
    if (missing < this.#missing || missing === 0) this.#movedMs = this.#world.monoMs();
    this.#missing = missing;
  }

  #missingRecords(): number | null {
    const { state } = this.#replica.exchange.joining;
    if (state.state !== "catching up") return null;
    const { applied, origins } = this.#replica;
    let missing = 0;
    for (let number = 0; number < origins.count; number++)
      missing += Math.max(0, state.until.get(number) - applied.get(number));
    return missing;
  }

  /** How much a second of what a snapshot holds. */
  #rate(of: "bytes" | "keys"): number | null {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return null;
    return ((last[of] - first[of]) * 1000) / (last.atMs - first.atMs);
  }

  status(): JoiningStatus | null {
    const { joining } = this.#replica.exchange;
    const receiving = joining.status();
    const nowMs = this.#world.monoMs();
    if (receiving === null && joining.whole) return null;
    if (receiving === null)
      return {
        phase: joining.state.state === "waiting" ? "waiting" : "catching up",
        from: null,
        keys: null,
        keysTotal: null,
        bytes: null,
        bytesPerSecond: null,
        records: this.#missingRecords(),
        etaMs: null,
        stalledForMs: Math.round(nowMs - this.#movedMs),
      };
    const { from, keys, keysTotal, bytes, heardMs, installing } = receiving;
    const perSecond = this.#rate("keys");
    const left = Math.max(0, keysTotal - keys);
    return {
      phase: installing ? "installing" : "receiving",
      from,
      keys,
      keysTotal,
      bytes,
      bytesPerSecond: this.#rate("bytes"),
      records: null,
      etaMs: perSecond === null || perSecond === 0 ? null : Math.round((left * 1000) / perSecond),
      stalledForMs: Math.round(nowMs - heardMs),
    };
  }

  /** In one line, for a client that is refused, and for the log. */
  text(): string {
    const status = this.status();
    if (status === null) return "this node has everything it needs";
    const { phase, from, keys, keysTotal, bytes, records, etaMs } = status;
    if (phase === "waiting")
      return "this node waits for another member, which says what it lacks: see that one is reachable";
    if (phase === "catching up")
      return `this node catches up with the other members: ${records ?? 0} records to go`;
    if (phase === "installing") return `this node takes up the snapshot of ${from}`;
    const percent = keysTotal === null || keysTotal === 0 ? 100 : (100 * (keys ?? 0)) / keysTotal;
    const left = etaMs === null ? "" : `, ${Math.ceil(etaMs / 1000)} s left`;
    return `this node receives a snapshot of ${from}: ${keys} of ${keysTotal} keys (${Math.min(100, Math.floor(percent))} %), ${Math.round((bytes ?? 0) / 1024 ** 2)} MiB${left}`;
  }
}
