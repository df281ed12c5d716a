/**
 * Linear: whether what clients were told of one strong key can have happened one after the other (I-30): Wing and Gong's search, with
 * what was tried remembered, as Lowe does.
 *
 * Invariant: an operation takes effect at one moment between its question and its answer. One whose answer nobody heard takes effect at
 * one moment after its question, or never. It knows the commands by what Redis says of them, and nothing of how they are decided.
 */
import { isError, type Reply } from "../world/replies.ts";

/** One command on a key, and what came of it. */
export interface StrongOperation {
  /** The command, its name in capitals, without what is said of levels. */
  readonly words: readonly string[];
  readonly sentUs: number;
  /** Infinity when nobody heard an answer. */
  readonly answeredUs: number;
  /** Undefined when nobody heard it. */
  readonly reply: Reply | undefined;
  /** The version that came with it; null when none was asked for. */
  readonly version: number | null;
}

interface State {
  readonly value: string | null;
  readonly version: number;
  /** Whether the version is at least that: what was deleted is forgotten in the end, and goes on at a greater one. */
  readonly isLeast: boolean;
}

/** Ways that are tried at most: beyond, nothing can be said. */
const STEPS_MAX = 400_000;
/** What counts as a number: 64 bits, written in the one way. */
const NUMBER = /^(0|-?[1-9]\d{0,18})$/;
const NUMBER_MAX = 2n ** 63n - 1n;

/** Whether the operations can have happened one after the other; null when that is not found out. */
export function isLinear(operations: readonly StrongOperation[]): boolean | null {
  // Reads that nobody heard of tell nothing.
  const asked = operations
    .filter(({ words, reply }) => reply !== undefined || words[0] !== "GET")
    .toSorted((a, b) => a.sentUs - b.sentUs);
  const search = new Search(asked);
  return search.run();
}

class Search {
  readonly #operations: readonly StrongOperation[];
  readonly #tried = new Set<string>();
  readonly #done: boolean[];
  #left: number;
  #steps = 0;

  constructor(operations: readonly StrongOperation[]) {
    this.#operations = operations;
    this.#done = operations.map(() => false);
    this.#left = operations.filter(({ reply }) => reply !== undefined).length;
  }

  run(): boolean | null {
    const found = this.#from({ value: null, version: 0, isLeast: true });
    return !found && this.#steps > STEPS_MAX ? null : found;
  }

  #from(state: State): boolean {
    if (this.#left === 0) return true;
    if (this.#steps++ > STEPS_MAX) return false;
    const { value, version, isLeast } = state;
    const name = `${version}${isLeast ? "+" : ""} ${value} ${this.#doneText()}`;
    if (this.#tried.has(name)) return false;
    this.#tried.add(name);
    // What was answered before something else was asked happened before it.
    let firstAnsweredUs = Infinity;
    this.#operations.forEach(({ answeredUs }, i) => {
      if (this.#done[i] !== true) firstAnsweredUs = Math.min(firstAnsweredUs, answeredUs);
    });
    const next = this.#operations.flatMap(({ sentUs, answeredUs }, i) =>
      this.#done[i] !== true && sentUs <= firstAnsweredUs ? [{ i, answeredUs }] : [],
    );
    // Those of which nobody heard come last: most of them are needed for nothing.
    next.sort((a, b) => a.answeredUs - b.answeredUs);
    for (const { i } of next) {
      const operation = this.#operations[i] as StrongOperation;
      const after = step(state, operation);
      if (after === null) continue;
      const isHeard = operation.reply !== undefined;
      // Whoever changes nothing and is heard by nobody need not happen.
      if (!isHeard && after === state) continue;
      this.#done[i] = true;
      if (isHeard) this.#left--;
      if (this.#from(after)) return true;
      this.#done[i] = false;
      if (isHeard) this.#left++;
    }
    return false;
  }

  /** What was done, from the first that was not. */
  #doneText(): string {
    const first = this.#done.indexOf(false);
    let text = `${first} `;
    for (let i = first; i < this.#done.length; i++) if (this.#done[i] === true) text += `${i},`;
    return text;
  }
}

/** The state behind an operation; null when its answer could not have been that. */
function step(state: State, { words, reply, version }: StrongOperation): State | null {
  const { value, answer } = effectOf(state, words, reply);
  if (reply !== undefined && !fits(reply, answer)) return null;
  const isSame = value === undefined;
  const next = isSame ? state.value : value;
  const least = isSame ? state.version : state.version + 1;
  const isLeast = state.isLeast || state.value === null;
  if (version === null) {
    if (isSame) return state;
    return { value: next, version: least, isLeast: isLeast || next === null };
  }
  if (isLeast ? version < least : version !== least) return null;
  if (isSame && version === state.version && !state.isLeast) return state;
  return { value: next, version, isLeast: next === null };
}

/** The value behind a command, undefined for the same as before, and what it answers. */
function effectOf(
  { value, version, isLeast }: State,
  [name, , ...more]: readonly string[],
  reply: Reply | undefined,
): { value: string | null | undefined; answer: Reply | typeof REFUSED } {
  const [first = "", second = ""] = more;
  switch (name) {
    case "GET":
      return { value: undefined, answer: value };
    case "SET":
      if (second === "NX" && value !== null) return { value: undefined, answer: null };
      return { value: first, answer: "OK" };
    case "GETDEL":
      return { value: value === null ? undefined : null, answer: value };
    case "DEL":
      return { value: value === null ? undefined : null, answer: value === null ? 0 : 1 };
    case "APPEND":
      return { value: (value ?? "") + first, answer: (value ?? "").length + first.length };
    case "INCRBY": {
      const number = value === null ? 0n : numberOf(value);
      const sum = number === null ? null : number + BigInt(first);
      if (sum === null || sum > NUMBER_MAX || sum < -NUMBER_MAX - 1n)
        return { value: undefined, answer: REFUSED };
      return { value: String(sum), answer: Number(sum) };
    }
    case "AA.CAS":
      return isAt(Number(first), { value, version, isLeast }, reply)
        ? { value: second, answer: ANY_VERSION }
        : { value: undefined, answer: null };
    default:
      throw new Error(`what ${name} does to a strong key is not known here`);
  }
}

function numberOf(text: string): bigint | null {
  if (!NUMBER.test(text)) return null;
  const number = BigInt(text);
  return number > NUMBER_MAX || number < -NUMBER_MAX - 1n ? null : number;
}

/** Whether AA.CAS finds the version it expects; where that is not known it has as it was answered. */
function isAt(expected: number, { value, version, isLeast }: State, reply?: Reply): boolean {
  if (expected === 0) return value === null;
  if (isLeast) return expected >= version && reply !== null;
  return expected === version;
}

const REFUSED = Symbol("refused");
const ANY_VERSION = -1;

function fits(reply: Reply, answer: Reply | typeof REFUSED): boolean {
  if (answer === REFUSED) return isError(reply);
  if (answer === ANY_VERSION) return typeof reply === "number";
  return reply === answer;
}
