import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bulk, bulksOf, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

/** The obvious store: a Map of values, each with its deadline. */
type Value = string | Set<string> | Map<string, string>;

class Model {
  readonly values = new Map<string, { value: Value; deadline: number }>();
  nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  get(key: string): Value | undefined {
    const found = this.values.get(key);
    return found !== undefined && found.deadline > this.nowMs ? found.value : undefined;
  }

  put(key: string, value: Value, deadline = Infinity): void {
    this.values.set(key, { value, deadline });
  }

  deadline(key: string): number {
    return this.get(key) === undefined ? Infinity : (this.values.get(key)?.deadline ?? Infinity);
  }

  isEmpty(key: string): boolean {
    const value = this.get(key);
    return value !== undefined && typeof value !== "string" && value.size === 0;
  }
}

interface Step {
  readonly name: string;
  readonly key: string;
  readonly other: string;
  readonly member: string;
  readonly number: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  name: fc.constantFrom(
    ...["SET", "GET", "SETEX", "APPEND", "INCRBY", "DEL", "SADD", "SREM", "SMEMBERS", "SMOVE"],
    ...["HSET", "HDEL", "HGETALL", "HINCRBY", "RENAME", "COPY", "PEXPIRE", "PERSIST", "PTTL"],
    ...["time passes", "SUNIONSTORE"],
  ),
  key: fc.constantFrom("a", "b", "c"),
  other: fc.constantFrom("a", "b", "c"),
  member: fc.constantFrom("x", "y", "z", "1", "\0\xff"),
  number: fc.integer({ min: 1, max: 50 }),
});

test("whatever is done to a few keys, the store is what a Map would be", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new Standalone();
      const model = new Model(store.nowMs);
      for (const one of steps) {
        const expected = act(model, one);
        if (one.name === "time passes") store.nowMs += one.number;
        else assert.equal(ask(store, one), expected, JSON.stringify(one));
        for (const key of ["a", "b", "c"]) if (model.isEmpty(key)) model.values.delete(key);
      }
    }),
    { numRuns: 500 },
  );
});

/** The reply, items in any order sorted. */
function ask(store: Standalone, { name, key, other, member, number }: Step): string {
  const bytes = Buffer.from(member, "latin1");
  switch (name) {
    case "SET":
    case "APPEND":
    case "SADD":
    case "SREM":
    case "HDEL":
      return store.raw(name, key, bytes);
    case "HSET":
      return store.raw(name, key, bytes, String(number));
    case "SETEX":
      return store.raw("PSETEX", key, String(number), bytes);
    case "INCRBY":
    case "PEXPIRE":
      return store.raw(name, key, String(number));
    case "HINCRBY":
      return store.raw(name, key, bytes, String(number));
    case "SMOVE":
      return store.raw(name, key, other, bytes);
    case "RENAME":
      return store.raw(name, key, other).replace(/^-ERR no such key/, "-");
    case "COPY":
      return store.raw(name, key, other, "REPLACE").replace(/^-ERR .*/, "-");
    case "SUNIONSTORE":
      return store.raw(name, key, key, other);
    case "SMEMBERS":
    case "HGETALL": {
      const reply = store.raw(name, key);
      return reply.startsWith("-") ? reply : JSON.stringify(bulksOf(reply));
    }
    default:
      return store.raw(name, key);
  }
}

/** What the model says, after it did the same. */
function act(model: Model, { name, key, other, member, number }: Step): string {
  const value = model.get(key);
  const target = model.get(other);
  const deadline = model.deadline(key);
  const isString = value === undefined || typeof value === "string";
  const set = value === undefined ? new Set<string>() : value instanceof Set ? value : null;
  const hash =
    value === undefined ? new Map<string, string>() : value instanceof Map ? value : null;
  switch (name) {
    case "time passes":
      model.nowMs += number;
      return "";
    case "SET":
    case "SETEX":
      model.put(key, member, name === "SET" ? Infinity : model.nowMs + number);
      return OK;
    case "GET":
      return value === undefined ? NIL : typeof value === "string" ? bulk(value) : WRONG;
    case "APPEND":
      if (!isString) return WRONG;
      model.put(key, (value ?? "") + member, deadline);
      return int(((value ?? "") + member).length);
    case "INCRBY": {
      if (!isString) return WRONG;
      if (!/^(0|-?[1-9]\d{0,14})$/.test(value ?? "0"))
        return "-ERR value is not an integer or out of range\r\n";
      const sum = Number(value ?? "0") + number;
      model.put(key, String(sum), deadline);
      return int(sum);
    }
    case "DEL":
      model.values.delete(key);
      return int(value === undefined ? 0 : 1);
    case "SADD":
    case "SREM": {
      if (set === null) return WRONG;
      const had = set.has(member);
      if (name === "SADD") model.put(key, set.add(member), deadline);
      else set.delete(member);
      return int(had === (name === "SADD") ? 0 : 1);
    }
    case "SMEMBERS":
      return set === null ? WRONG : JSON.stringify([...set].sort());
    case "SMOVE": {
      if (value === undefined) return int(0);
      if (set === null || (target !== undefined && !(target instanceof Set))) return WRONG;
      if (!set.has(member)) return int(0);
      const into = target ?? new Set<string>();
      set.delete(member);
      model.put(other, into.add(member), model.deadline(other));
      return int(1);
    }
    case "SUNIONSTORE": {
      if (set === null || (target !== undefined && !(target instanceof Set))) return WRONG;
      const union = new Set([...set, ...(target ?? [])]);
      model.put(key, union);
      return int(union.size);
    }
    case "HSET":
    case "HDEL": {
      if (hash === null) return WRONG;
      const had = hash.has(member);
      if (name === "HSET") model.put(key, hash.set(member, String(number)), deadline);
      else hash.delete(member);
      return int(had === (name === "HSET") ? 0 : 1);
    }
    case "HINCRBY": {
      if (hash === null) return WRONG;
      const sum = Number(hash.get(member) ?? "0") + number;
      model.put(key, hash.set(member, String(sum)), deadline);
      return int(sum);
    }
    case "HGETALL":
      return hash === null ? WRONG : JSON.stringify([...hash].flat().sort());
    case "RENAME":
      if (value === undefined) return "-\r\n";
      if (key === other) return OK;
      model.put(other, value, deadline);
      model.values.delete(key);
      return OK;
    case "COPY":
      if (key === other) return "-\r\n";
      if (value === undefined) return int(0);
      model.put(other, structuredClone(value), deadline);
      return int(1);
    case "PEXPIRE":
      if (value === undefined) return int(0);
      model.put(key, value, model.nowMs + number);
      return int(1);
    case "PERSIST":
      if (value === undefined || deadline === Infinity) return int(0);
      model.put(key, value);
      return int(1);
    default:
      return int(value === undefined ? -2 : deadline === Infinity ? -1 : deadline - model.nowMs);
  }
}
