/**
 * Escrow: what is sold of bounded counters was there to be sold: I-43.
 *
 *   asked    the most that may have been stocked grows
 *   answered refused: it was not;  done: what was sold has grown, and may not be more than was ever stocked
 *
 * Invariant: sales count when a client was told of them, stock when somebody asked for it. So what is found is true whatever crashes took,
 * and whoever heard nothing may have been served or not.
 */
import { BoundedView } from "../../src/core/commands/bounded-view.ts";
import { BOUNDED } from "../../src/core/crdt/key.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import type { Machine } from "../world/machine.ts";
import { isError, type Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";

interface Stock {
  /** Units that were created or added, if all was done that nobody has said was not. */
  stocked: number;
  /** Units that clients were told they had. */
  sold: number;
  /** The same of what was done, and of what may have been. */
  surelyStocked: number;
  perhapsSold: number;
  creations: number;
  /** Rights of a removed member may have been taken over, which it may have used and told nobody but its clients. */
  isReclaimed: boolean;
  /** Creations that may have happened. */
  perhapsCreated: number;
}

type Change = Partial<Record<"created" | "stocked" | "sold", number>> & {
  readonly reclaims?: boolean;
};

/** Errors after which a command may have been done. */
const MAYBE = /^(AAUNKNOWN|AAINCOMPLETE)/;

export class Escrow {
  readonly #stocks = new Map<string, Stock>();
  /** Whether a counter may be created twice: members change, or its creation may be lost. */
  mayRepeat = false;
  readonly #place = new Place();

  /** Units that clients were told they had. */
  get sold(): number {
    let sum = 0;
    for (const { sold } of this.#stocks.values()) sum += sold;
    return sum;
  }

  #of(key: string): Stock {
    let stock = this.#stocks.get(key);
    if (stock === undefined) {
      const none = { stocked: 0, sold: 0, surelyStocked: 0, perhapsSold: 0 };
      stock = { ...none, creations: 0, perhapsCreated: 0, isReclaimed: false };
      this.#stocks.set(key, stock);
    }
    return stock;
  }

  asked({ commands }: Operation): void {
    for (const [key, change] of changesOf(commands)) {
      const stock = this.#of(key);
      if (change.reclaims === true) stock.isReclaimed = true;
      if (change.created !== undefined) {
        stock.perhapsCreated++;
        // However many ask for it, one creates it.
        if (this.mayRepeat || stock.perhapsCreated === 1) stock.stocked += change.created;
      }
      stock.stocked += change.stocked ?? 0;
      stock.perhapsSold += change.sold ?? 0;
    }
  }

  /** A client was answered; returns what is wrong with that, or null. */
  answered({ commands }: Operation, reply: Reply): string | null {
    const error = isError(reply) ? reply.error : null;
    if (error !== null && MAYBE.test(error)) return null;
    for (const [key, change] of changesOf(commands)) {
      const stock = this.#of(key);
      if (error !== null) {
        if (this.mayRepeat) stock.stocked -= change.created ?? 0;
        stock.stocked -= change.stocked ?? 0;
        stock.perhapsSold -= change.sold ?? 0;
        continue;
      }
      stock.surelyStocked += (change.stocked ?? 0) + (change.created ?? 0);
      stock.sold += change.sold ?? 0;
      if (change.created !== undefined && ++stock.creations > 1 && !this.mayRepeat)
        return `${key} was created twice`;
      if (stock.sold > stock.stocked && !stock.isReclaimed)
        return `${stock.sold} were sold of ${key}, and no more than ${stock.stocked} were ever there`;
    }
    const values = Array.isArray(reply) ? reply : [reply];
    const below = values.find((value) => typeof value === "number" && value < 0);
    return below === undefined ? null : `${flat(commands)} was answered ${String(below)}`;
  }

  /** What is wrong with the rights that a replica knows of, or null: nobody has less than none, and together they are the room. */
  wrongAt(machine: Machine): string | null {
    const replica = machine.node?.replica;
    if (replica === undefined) return null;
    const { keyspace, run } = replica;
    for (const { db, key } of keyspace.boundedKeys.all()) {
      keyspace.locate(this.#place, db, key, 0, key.length);
      this.#place.look(keyspace, run.nowMs);
      if (this.#place.type !== BOUNDED) continue;
      const view = new BoundedView(run, this.#place);
      let sum = 0;
      for (const origin of view.origins()) {
        const rights = view.rightsOf(origin);
        if (rights < 0) return `${origin.member} has ${rights} rights of ${key.latin1Slice()}`;
        sum += rights;
      }
      if (sum !== view.room)
        return `the rights of ${key.latin1Slice()} are ${sum}, its room is ${view.room}`;
    }
    return null;
  }

  /** What is wrong with the value of a counter in the end, or null: it is what was stocked without what was sold. */
  wrongInTheEnd(key: string, value: number): string | null {
    const { stocked, sold, surelyStocked, perhapsSold } = this.#of(key);
    const [least, most] = [surelyStocked - perhapsSold, stocked - sold];
    if (value >= least && value <= most) return null;
    return `${key} is ${value} in the end: ${surelyStocked} to ${stocked} were stocked and ${sold} to ${perhapsSold} sold`;
  }

  get keys(): Iterable<string> {
    return this.#stocks.keys();
  }
}

function flat(commands: readonly (readonly string[])[]): string {
  return commands.map((words) => words.join(" ")).join("; ");
}

/** What an operation would do to which counters, if it was done. */
function* changesOf(commands: readonly (readonly string[])[]): Generator<[string, Change]> {
  for (const words of commands) {
    const at = words.indexOf("AA.BOUND");
    if (at < 0) continue;
    const [verb, key = "", second = "", third = "", , value = ""] = words.slice(at + 1);
    if (verb === "CREATE") yield [key, { created: Number(value) }];
    else if (verb === "INCR") yield [key, { stocked: Number(second) }];
    else if (verb === "DECR") yield [key, { sold: Number(second) }];
    else if (verb === "RECLAIM") yield [key, { reclaims: true }];
    else if (verb === "TRANSFER") {
      yield [key, { sold: Number(third) }];
      yield [second, { stocked: Number(third) }];
    }
  }
}
