import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "../../core/commands/standalone.suite.ts";
import { Chance } from "../../core/replica/chance.suite.ts";
import { DOCUMENTS } from "./documents.ts";
import {
  JsonModel,
  type Plain,
  type PlainPath,
  type PlainStep,
  printed,
  REFUSED,
} from "./json-model.suite.ts";

const KEYS = ["d", "e", "f"];
const NAMES = ["a", "b", "c", "a b", "é", ""];
const TEXTS = ["", "x", "naïve", '"quoted"\n'];
/** Beyond this a document begins anew, or everything would be found everywhere. */
const TEXT_MAX = 600;

/** Draws commands, and does them to the model. */
class Commands {
  readonly chance: Chance;
  readonly model: JsonModel;

  constructor(chance: Chance, model: JsonModel) {
    this.chance = chance;
    this.model = model;
  }

  /** A command, and what it answers. */
  next(): [words: string[], reply: string] {
    const { chance, model } = this;
    const key = chance.pick(KEYS);
    const whole = model.documents.get(key);
    if (whole !== undefined && printed(whole).length > TEXT_MAX)
      return this.#set(key, { text: "$", legacy: false, steps: [] });
    return chance.pick(this.#families)(key, this.#path());
  }

  readonly #families: readonly ((key: string, path: PlainPath) => [string[], string])[] = [
    (key, path) => this.#set(key, path),
    (key, path) => this.#set(key, path),
    (key, path) => this.#set(key, path),
    (key, path) => this.#merge(key, path),
    (key, path) => this.#gets(key, path),
    (key, path) => this.#lengths(key, path),
    (key, path) => this.#numbers(key, path),
    (key, path) => this.#scalars(key, path),
    (key, path) => this.#removals(key, path),
    (key, path) => this.#grows(key, path),
    (key, path) => this.#shrinks(key, path),
    (key, path) => this.#index(key, path),
  ];

  #set(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    const value = this.#value(3);
    const only = chance.pick([null, null, null, "NX", "XX"] as const);
    if (chance.next() < 0.15) {
      const keys = chance.shuffle([...KEYS]).slice(0, 1 + chance.below(3));
      const writes = keys.map((of) => ({ key: of, path: this.#path(), value: this.#value(2) }));
      const words = writes.flatMap((write) => [write.key, write.path.text, printed(write.value)]);
      return [["JSON.MSET", ...words], model.mset(writes)];
    }
    const words = ["JSON.SET", key, path.text, printed(value), ...(only === null ? [] : [only])];
    return [words, model.set(key, path, value, only)];
  }

  #merge(key: string, path: PlainPath): [string[], string] {
    const patch = this.#value(3);
    const words = ["JSON.MERGE", key, path.text, printed(patch)];
    return [words, this.model.merge(key, path, patch)];
  }

  #gets(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    if (chance.next() < 0.3) {
      const keys = chance.shuffle([...KEYS]).slice(0, 1 + chance.below(3));
      return [["JSON.MGET", ...keys, path.text], model.mget(keys, path)];
    }
    const paths = Array.from({ length: chance.below(3) }, () => this.#path());
    const texts = paths.map(({ text }) => text);
    return [["JSON.GET", key, ...texts], model.get(key, paths)];
  }

  #lengths(key: string, path: PlainPath): [string[], string] {
    const { model } = this;
    const [name, reply] = this.chance.pick([
      ["JSON.TYPE", () => model.type(key, path)],
      ["JSON.STRLEN", () => model.strlen(key, path)],
      ["JSON.ARRLEN", () => model.arrlen(key, path)],
      ["JSON.OBJLEN", () => model.objlen(key, path)],
      ["JSON.OBJKEYS", () => model.objkeys(key, path)],
      ["JSON.RESP", () => model.resp(key, path)],
    ] as const);
    return [[name, key, path.text], reply()];
  }

  #numbers(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    const by = chance.pick([1, -3, 0.5, 10]);
    if (chance.next() < 0.6)
      return [
        ["JSON.NUMINCRBY", key, path.text, `${by}`],
        model.calculate(key, path, (value) => value + by),
      ];
    const times = chance.pick([0, 2, -1, 0.5, 1e200]);
    return [
      ["JSON.NUMMULTBY", key, path.text, `${times}`],
      model.calculate(key, path, (value) => value * times),
    ];
  }

  #scalars(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    if (chance.next() < 0.5) return [["JSON.TOGGLE", key, path.text], model.toggle(key, path)];
    const tail = chance.pick(TEXTS);
    const words = ["JSON.STRAPPEND", key, path.text, JSON.stringify(tail)];
    return [words, model.strappend(key, path, tail)];
  }

  #removals(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    if (chance.next() < 0.4) return [["JSON.CLEAR", key, path.text], model.clear(key, path)];
    const name = chance.pick(["JSON.DEL", "JSON.FORGET"]);
    return [[name, key, path.text], model.del(key, path)];
  }

  #grows(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    const values = Array.from({ length: 1 + chance.below(2) }, () => this.#value(1));
    const texts = values.map(printed);
    if (chance.next() < 0.5)
      return [["JSON.ARRAPPEND", key, path.text, ...texts], model.arrappend(key, path, values)];
    const index = this.#number();
    const words = ["JSON.ARRINSERT", key, path.text, `${index}`, ...texts];
    return [words, model.arrinsert(key, path, index, values)];
  }

  #shrinks(key: string, path: PlainPath): [string[], string] {
    const { chance, model } = this;
    const [start, stop] = [this.#number(), this.#number()];
    if (chance.next() < 0.5)
      return [["JSON.ARRPOP", key, path.text, `${start}`], model.arrpop(key, path, start)];
    const words = ["JSON.ARRTRIM", key, path.text, `${start}`, `${stop}`];
    return [words, model.arrtrim(key, path, start, stop)];
  }

  #index(key: string, path: PlainPath): [string[], string] {
    const wanted = this.#value(1);
    const [start, stop] = [this.#number(), this.#number()];
    const words = ["JSON.ARRINDEX", key, path.text, printed(wanted), `${start}`, `${stop}`];
    return [words, this.model.arrindex(key, path, wanted, start, stop)];
  }

  #number(): number {
    return this.chance.below(9) - 4;
  }

  #value(depth: number): Plain {
    const { chance } = this;
    const x = chance.next();
    if (depth > 0 && x < 0.35)
      return Array.from({ length: chance.below(4) }, () => this.#value(depth - 1));
    if (depth > 0 && x < 0.7)
      return new Map(
        chance
          .shuffle([...NAMES])
          .slice(0, chance.below(4))
          .map((name) => [name, this.#value(depth - 1)]),
      );
    return chance.pick<Plain>([null, true, false, 0, 1, 2, -1, 2.5, ...TEXTS]);
  }

  /** Half of them short and likely to find something; an older one means one value. */
  #path(): PlainPath {
    const { chance } = this;
    const legacy = chance.next() < 0.3;
    const steps: PlainStep[] = [];
    let text = legacy ? "" : "$";
    for (let left = chance.below(4); left > 0; left--) {
      const [step, said] = this.#step(legacy, steps);
      steps.push(...step);
      text += said;
    }
    return { text: text === "" ? "." : text, legacy, steps };
  }

  #step(legacy: boolean, before: readonly PlainStep[]): [PlainStep[], string] {
    const { chance } = this;
    const name = chance.pick(NAMES);
    const quoted = `["${name}"]`;
    const x = chance.next();
    if (x < 0.45) {
      const said = /^[a-z]$/.test(name) && chance.next() < 0.7 ? `.${name}` : quoted;
      return [[{ kind: "name", names: [name] }], said];
    }
    const [first, second] = [chance.below(5) - 2, chance.below(5) - 2];
    if (x < 0.65) return [[{ kind: "index", indexes: [first] }], `[${first}]`];
    if (legacy) return [[{ kind: "name", names: [name] }], quoted];
    if (x < 0.75) return [[{ kind: "all" }], chance.pick([".*", "[*]"])];
    if (x < 0.8) return [[{ kind: "slice", from: first, to: second }], `[${first}:${second}]`];
    if (x < 0.85) return [[{ kind: "index", indexes: [first, second] }], `[${first},${second}]`];
    const other = chance.pick(NAMES);
    if (x < 0.9) return [[{ kind: "name", names: [name, other] }], `["${name}","${other}"]`];
    if (x < 0.95) {
      const said = name === "" ? `[?(@>${first})]` : `[?(@["${name}"]>${first})]`;
      return [[{ kind: "filter", name, above: first }], said];
    }
    // One of them in a path, so that each value is found once.
    if (before.some(({ kind }) => kind === "descend")) return [[{ kind: "all" }], "[*]"];
    if (chance.next() < 0.5) return [[{ kind: "descend" }, { kind: "all" }], "..*"];
    return [[{ kind: "descend" }, { kind: "name", names: [name] }], `..${quoted}`];
  }
}

test("JSON commands answer what they would do to plain values, 200,000 of them at random", () => {
  const store = new Standalone({}, {}, [DOCUMENTS]);
  const commands = new Commands(new Chance(7), new JsonModel());
  const done = new Map<string, number>();
  const shown = new Map<string, string>();
  for (let i = 0; i < 200_000; i++) {
    const [words, wanted] = commands.next();
    const [name = "", key = ""] = words;
    const reply = store.raw(...words);
    const story = `${i}: ${words.join(" ")}\n  on ${shown.get(key) ?? "nothing"}`;
    const refused = reply.startsWith("-");
    if (!refused || wanted !== REFUSED) assert.equal(reply, wanted, story);
    shown.set(key, commands.model.get(key, []));
    assert.equal(store.raw("JSON.GET", key), shown.get(key), story);
    if (!refused) done.set(name, (done.get(name) ?? 0) + 1);
  }
  assert.equal(done.size, 23);
  for (const [name, count] of done) assert.ok(count > 1_000, `${name} succeeded ${count} times`);
});
