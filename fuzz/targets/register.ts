/**
 * Register: the keyspaces that a cluster has agreed on, as the value of a strong key, which peers hand on and disks keep.
 *
 *   input = what our codec writes of a configuration, or that changed
 *
 * Invariant: it is refused with `Malformed`, or read in memory that its length allows; what was read is written so that it is read as the
 * same again, every keyspace of it is one that this version can go by, and what changes make of it is kept too.
 */
import { Malformed } from "../../src/core/bytes/source.ts";
import { CHOICES, policyOf, type Words, wordsOf } from "../../src/core/crdt/keyspace-words.ts";
import {
  type Agreed,
  begin,
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  finish,
  takeOver,
} from "../../src/core/strong/configuration.ts";
import type { Chance } from "../../sim/world/chance.ts";
import type { Target } from "../engine.ts";
import { mutate } from "../mutate.ts";
import { must } from "../must.ts";

const EPOCH = 400;
const MEMBERS = ["us-east/1", "eu-west/1", "ap-south/2"];

export class RegisterTarget implements Target {
  readonly name = "register";
  readonly renewEvery = 1_000;

  renew(): void {
    // Reading leaves nothing behind.
  }

  make(chance: Chance): Buffer {
    const bytes = encodeConfiguration(configuration(chance));
    return chance.is(0.5) ? bytes : mutate(bytes, encodeConfiguration([agreed(chance)]), chance);
  }

  take(input: Buffer): void {
    let read: Configuration;
    try {
      read = decodeConfiguration(input);
    } catch (error) {
      if (error instanceof Malformed) return;
      throw error;
    }
    must(read.length <= input.length, "more keyspaces than bytes");
    const once = encodeConfiguration(read);
    must(once.length <= input.length, "what was read is longer than what it was read from");
    must(isKept(read), "it is read as another");
    for (const { prefix, words, change, fence } of read) {
      for (const all of [words, change?.words ?? {}]) this.#govern(prefix, all);
      const by = { member: "us-east/1", life: 1 };
      const changed = [
        begin(read, { prefix, words: { conflict: "fww", writes: "home" } }, EPOCH, by),
        begin(read, { prefix, words: null }, EPOCH, by),
        finish(read, prefix, change?.id ?? 0, EPOCH, true),
        finish(read, prefix, change?.id ?? 0, EPOCH, false),
        takeOver(read, { prefix, fence, region: "eu-west" }, EPOCH),
      ];
      for (const outcome of changed)
        must(outcome.is === "refused" || isKept(outcome.next), "what becomes of it is not kept");
    }
  }

  /** What this version makes of words that another may have written says the same in words of its own. */
  #govern(prefix: string, words: Words): void {
    const policy = policyOf(prefix, words, new Map());
    const own = wordsOf(policy);
    for (const [name, value] of Object.entries(own))
      must(words[name] === value, `${name} was not said`);
  }
}

function isKept(one: Configuration): boolean {
  const bytes = encodeConfiguration(one);
  return encodeConfiguration(decodeConfiguration(bytes)).equals(bytes);
}

function configuration(chance: Chance): Configuration {
  return Array.from({ length: chance.below(5) }, () => agreed(chance));
}

function agreed(chance: Chance): Agreed {
  const change = {
    id: chance.below(300),
    member: chance.pick(MEMBERS),
    life: chance.below(1 << 20),
    words: chance.is(0.3) ? null : someWords(chance),
  };
  return {
    prefix: chance.pick(["", "h:", "cart:\xff", "a".repeat(200)]),
    since: chance.below(300),
    fence: chance.below(300),
    forced: chance.is(0.3),
    words: someWords(chance),
    change: chance.is(0.4) ? change : null,
  };
}

function someWords(chance: Chance): Words {
  const words: Record<string, string> = {};
  for (const [name, choices] of Object.entries(CHOICES))
    if (chance.is(0.3)) words[name] = chance.pick([...choices, "later"]);
  if (chance.is(0.3)) words["home"] = chance.pick(["us-east", ""]);
  if (chance.is(0.2)) words["conflict"] = chance.pick(["fww", "merge-carts", "constructor"]);
  if (chance.is(0.2)) words["format"] = chance.pick(["bitmap", "no such"]);
  if (chance.is(0.1)) words[chance.pick(["__proto__", "toString", "new"])] = "x";
  return words;
}
