/**
 * Generator: random commands over a small world of keys, so that they meet each other and most succeed.
 *
 *   specs ─► pick by weight ─► make ─► (sometimes spoil) ─► op
 *
 * Invariant: what is generated depends on the seed and the start of the run alone, never on replies. Deadlines are either
 * in the past or more than an hour away and at least 500 s apart from each other, so no comparison of two deadlines
 * depends on how fast the run is. Only the `expiring` spec lets time pass.
 */
import { Chance } from "./chance.ts";
import {
  connections,
  exact,
  type CommandStep,
  type Expectation,
  type Op,
  type Step,
} from "./step.ts";

export interface Spec {
  /** As COMMAND LIST has it, in upper case, with a space before a subcommand; `-` first when it is not one command. */
  name: string;
  /** How often it is picked, against the others; 10 when absent. */
  weight?: number;
  /** The options that `make` reports with `use`. */
  options?: readonly string[];
  /** False when a wrong argument must not be tried on it: its check needs the arguments it was made with. */
  spoil?: boolean;
  /** False when it cannot stand inside MULTI. */
  queueable?: boolean;
  make(g: Generator): Step[];
}

type Arg = Buffer | string | number;

const KEYS = {
  string: ["s1", "s2", "s3", "s4", "s5", "s6", "s\x00\r\n\xff"],
  hash: ["h1", "h2", "h3", "h4", "h[5]", "h\xfe*"],
  set: ["t1", "t2", "t3", "t4", "t5", "t?6"],
  zset: ["z1", "z2", "z3", "z4", "z\xfe5"],
  list: ["l1", "l2", "l3", "l4", "l\xfe5"],
  mixed: ["k1", "k2", "k3", "n1", ""],
  missing: ["none", "none:\x80"],
} as const;

const NUMBERS_AT_THE_EDGE = [
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775806",
  "4611686018427387904",
  "2147483648",
  "-2147483649",
  "4294967296",
];

export const BAD_NUMBERS: readonly string[] = [
  "abc",
  "",
  "1.5",
  "9223372036854775808",
  "-9223372036854775809",
  "+1",
  " 1",
  "1 ",
  "0x10",
  "1e3",
  "-0",
  "00",
  "nan",
  "inf",
  "-inf",
  "1e400",
  "99999999999999999999999",
  "9223372036854775807",
  "-9223372036854775808",
  "-1",
  "1\x00",
];

const FLOATS = [
  ...["0", "1", "-1", "0.1", "0.2", "-0.1", "1.5", "3.0e2", "5.0e3", "1e-5", "-2.5E+1", "10.50"],
  ...["123456789.123456", "0.00000001", "1e10", "-1e10", "2.5", "100", ".5", "5.", "-.25"],
];

const VALUES = [
  ...["", "a", "b", "abc", "hello world", "foobar", "ohmytext", "mynewtext", "3.0", "1e5", "10.5"],
  ...[
    "0",
    "1",
    "-1",
    "7",
    "42",
    "100",
    "-500",
    "65536",
    "\x00",
    "\r\n",
    "\xff\xfe\x00\r\n",
    "$3\r\nGET",
  ],
];

export class Generator {
  readonly chance: Chance;
  /** The connection that the next commands come from. */
  connection = 0;
  inTransaction = false;
  /** Called for every option that is used, as `SET EX`. */
  readonly onOption: (name: string) => void;
  readonly #startSeconds: number;
  readonly #specs: readonly Spec[];
  readonly #cumulative: number[];
  #spec: Spec | null = null;

  constructor(
    seed: number,
    startMs: number,
    specs: readonly Spec[],
    onOption: (name: string) => void,
  ) {
    this.chance = new Chance(seed);
    this.onOption = onOption;
    this.#startSeconds = Math.floor(startMs / 1_000);
    this.#specs = specs;
    let sum = 0;
    this.#cumulative = specs.map((spec) => (sum += spec.weight ?? 10));
  }

  /** The next thing to do. Now and then another connection takes over. */
  next(): Op {
    if (this.chance.happens(0.02)) this.connection = this.chance.below(connections);
    return { steps: this.#make(this.#pick()) };
  }

  /** Commands for the inside of a transaction. */
  queued(count: number): Step[] {
    this.inTransaction = true;
    const outer = this.#spec;
    const steps: Step[] = [];
    for (let i = 0; i < count; i++) {
      let spec = this.#pick();
      while (spec.queueable === false) spec = this.#pick();
      steps.push(...this.#make(spec));
    }
    this.#spec = outer;
    this.inTransaction = false;
    return steps;
  }

  /** Reports that the command being made uses one of its declared options, and returns it as an argument. */
  use(option: string): string {
    if (this.#spec?.options?.includes(option) !== true) {
      throw new Error(`bug: ${this.#spec?.name ?? "nothing"} declares no option ${option}`);
    }
    this.onOption(`${this.#spec.name} ${option}`);
    return this.chance.happens(0.1) ? option.toLowerCase() : option;
  }

  /** `use` in `share` of all cases; otherwise no argument. */
  maybe(option: string, share = 0.5): string[] {
    return this.chance.happens(share) ? [this.use(option)] : [];
  }

  command(
    args: readonly Arg[],
    expect: Expectation = exact,
    connection: number = this.connection,
  ): CommandStep {
    const bytes = args.map((arg) =>
      Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg), "latin1"),
    );
    if (this.chance.happens(0.05)) {
      bytes[0] = Buffer.from(String(args[0]).toLowerCase());
    }
    const small = bytes.length > 0 && bytes.reduce((sum, arg) => sum + arg.length, 0) < 2_000;
    return {
      kind: "command",
      connection,
      args: bytes,
      inline: small && this.chance.happens(0.02),
      expect,
    };
  }

  // ── keys and values ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Mostly a key of that type, sometimes one of another: wrong types must be refused alike. */
  key(type: "string" | "hash" | "set" | "zset" | "list"): Buffer {
    const dice = this.chance.below(100);
    if (dice < 82) return latin1(this.chance.pick(KEYS[type]));
    if (dice < 93) return latin1(this.chance.pick(KEYS.mixed));
    if (dice < 96) return latin1(this.chance.pick(KEYS.missing));
    return this.anyKey();
  }

  anyKey(): Buffer {
    const kind = this.chance.pick([
      "string",
      "hash",
      "set",
      "set",
      "hash",
      "string",
      "zset",
      "list",
      "mixed",
      "missing",
    ] as const);
    return latin1(this.chance.pick(KEYS[kind]));
  }

  keys(type: "string" | "hash" | "set" | "zset" | "list" | "any", most: number): Buffer[] {
    return this.times(this.chance.between(1, most), () =>
      type === "any" ? this.anyKey() : this.key(type),
    );
  }

  value(): Buffer {
    const dice = this.chance.below(100);
    if (dice < 30) return latin1(String(this.chance.between(-1_000, 1_000)));
    if (dice < 80) return latin1(this.chance.pick(VALUES));
    if (dice < 90) return this.chance.bytes(this.chance.between(1, 40));
    if (dice < 94) return latin1(this.chance.pick(NUMBERS_AT_THE_EDGE));
    if (dice < 97) return latin1(this.chance.pick(FLOATS));
    if (dice < 99) return latin1("x".repeat(this.chance.pick([43, 44, 45, 63, 64, 65, 200])));
    return this.chance.bytes(this.chance.pick([500, 1_000, 2_000]));
  }

  /** Hash fields and set members: few, so that they are found again. */
  field(): Buffer {
    const dice = this.chance.below(100);
    if (dice < 70)
      return latin1(this.chance.pick(["f1", "f2", "f3", "f4", "f5", "f6", "1", "2", "3"]));
    if (dice < 85) return latin1(String(this.chance.between(-20, 20)));
    if (dice < 95)
      return latin1(this.chance.pick(["", "\x00", "\xff\r\n", "F1", "long".repeat(20)]));
    return this.value();
  }

  integer(): string {
    const dice = this.chance.below(100);
    if (dice < 85) return String(this.chance.between(-100, 100));
    if (dice < 95) return this.chance.pick(NUMBERS_AT_THE_EDGE);
    return this.chance.pick(BAD_NUMBERS);
  }

  /** A position in a string or a count: small, sometimes negative, seldom absurd. */
  index(): string {
    const dice = this.chance.below(100);
    if (dice < 88) return String(this.chance.between(-12, 12));
    if (dice < 96) return this.chance.pick(NUMBERS_AT_THE_EDGE);
    return this.chance.pick(BAD_NUMBERS);
  }

  float(): string {
    const dice = this.chance.below(100);
    if (dice < 94) return this.chance.pick(FLOATS);
    return this.chance.pick([...BAD_NUMBERS, "1e308", "-1e308", "1.7e308"]);
  }

  pattern(): Buffer {
    return latin1(
      this.chance.pick([
        ...[
          "*",
          "?",
          "s?",
          "[sh]1",
          "[^s]*",
          "[a-k]*",
          "k*",
          "*1",
          "s*\xff",
          "h\\[5\\]",
          "t\\?6",
          "t?6",
          "**",
        ],
        ...[
          "",
          "[",
          "[^",
          "s[",
          "\\",
          "[a-",
          "[z-a]*",
          "*[0-9]",
          "none",
          "*\r\n*",
          "h\xfe*",
          "??",
          "s[1-3]",
          "[\\s]1",
        ],
      ]),
    );
  }

  /** A database that both have; seldom one they have not. */
  database(): string {
    const dice = this.chance.below(100);
    if (dice < 94) return String(this.chance.below(4));
    return this.chance.pick(["15", "16", "-1", "99", "abc", "", "1.0", "9223372036854775808"]);
  }

  // ── deadlines ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An argument for EX, PX, EXAT or PXAT, and whether it lies in the past. Seldom one that is refused. */
  deadline(unit: "EX" | "PX" | "EXAT" | "PXAT", past = 0.04): { arg: string; past: boolean } {
    const absolute = unit === "EXAT" || unit === "PXAT";
    const milli = unit === "PX" || unit === "PXAT" ? "000" : "";
    if (absolute && this.chance.happens(past)) {
      return { arg: String(this.chance.between(1, 1_000_000)) + milli, past: true };
    }
    if (this.chance.happens(0.05)) {
      return {
        arg: this.chance.pick([...BAD_NUMBERS, "0", "9223372036854775", "9223372036854774807"]),
        past: true,
      };
    }
    // Absolute deadlines come from few, so that they are met again; relative ones never equal each other or those.
    const at = absolute
      ? this.#startSeconds + 3_600 + 1_000 * this.chance.between(1, 40) + 500
      : 3_600 + 1_000 * this.chance.between(1, 1_000_000);
    return { arg: String(at) + milli, past: false };
  }

  /**
   * A key whose deadline is already over is there until somebody looks. Looking at once keeps counts of keys the same on
   * both servers.
   */
  look(key: Buffer): Step[] {
    return [this.command(["EXISTS", key])];
  }

  times<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }

  #pick(): Spec {
    const total = this.#cumulative.at(-1) ?? 0;
    const at = this.chance.below(total);
    const index = this.#cumulative.findIndex((sum) => at < sum);
    const spec = this.#specs[index];
    if (spec === undefined) throw new Error("bug: no spec");
    return spec;
  }

  #make(spec: Spec): Step[] {
    this.#spec = spec;
    const steps = spec.make(this);
    this.#spec = null;
    const [only] = steps;
    if (
      spec.spoil !== false &&
      steps.length === 1 &&
      only?.kind === "command" &&
      this.chance.happens(0.03)
    ) {
      only.args = this.#spoiled(only.args);
    }
    return steps;
  }

  /** The same command with something wrong: one argument less, one more, twice, or no number. */
  #spoiled(args: Buffer[]): Buffer[] {
    const place = this.chance.between(1, Math.max(1, args.length - 1));
    switch (this.chance.below(4)) {
      case 0:
        return args.slice(0, -1).length > 0 ? args.slice(0, -1) : args;
      case 1:
        return [...args, latin1(this.chance.pick(["extra", "NX", "GET", "1", ""]))];
      case 2:
        return [...args, ...args.slice(-1)];
      default:
        return args.with(Math.min(place, args.length - 1), latin1(this.chance.pick(BAD_NUMBERS)));
    }
  }
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
