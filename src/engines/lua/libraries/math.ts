/**
 * The math library.
 *
 * Invariant: `random` depends on nothing but the seed. As in Redis it is the generator of C's lrand48, so a script that
 * does not seed it draws the same numbers each time, and the same as in Redis.
 */
import { intArgument, numberArgument } from "../arguments.ts";
import { power, scale } from "../numbers.ts";
import type { Runtime } from "../runtime.ts";
import { NO_VALUES, type LuaValue, type Results } from "../values.ts";
import { register } from "./register.ts";

const RADIANS_PER_DEGREE = Math.PI / 180;
const RANDOM_LIMIT = 0x7fffffff;

/** A linear congruential generator of 48 bits, kept in two halves. */
export class Random {
  #high = 0;
  #low = 0;

  constructor() {
    this.seed(0);
  }

  seed(seed: number): void {
    const bits = seed >>> 0;
    this.#high = bits >>> 8;
    this.#low = ((bits & 0xff) << 16) | 0x330e;
  }

  /** 31 bits. */
  next(): number {
    const [high, low] = [this.#high, this.#low];
    const product = low * 0xece66d + 0xb;
    this.#low = product % 0x1000000;
    this.#high = (Math.floor(product / 0x1000000) + high * 0xece66d + low * 0x5de) % 0x1000000;
    return this.#high * 128 + (this.#low >>> 17);
  }
}

export function openMath(runtime: Runtime, random: Random): void {
  const number = (args: LuaValue[], at: number) => numberArgument(runtime, args, at);
  const of =
    (compute: (value: number) => number) =>
    (args: LuaValue[]): number =>
      compute(number(args, 1));
  // The compiled original looks at the second argument first, and so complains of it where both are wrong.
  const ofTwo =
    (compute: (a: number, b: number) => number, second = number) =>
    (args: LuaValue[]): number => {
      const b = second(args, 2);
      return compute(number(args, 1), b);
    };
  const best =
    (better: (a: number, b: number) => boolean) =>
    (args: LuaValue[]): number =>
      args.reduce<number>(
        (found, _, at) => {
          const value = number(args, at + 1);
          return better(value, found) ? value : found;
        },
        number(args, 1),
      );
  const library = register(runtime, "math", {
    abs: of(Math.abs),
    acos: of(Math.acos),
    asin: of(Math.asin),
    atan2: ofTwo(Math.atan2),
    atan: of(Math.atan),
    ceil: of(Math.ceil),
    cosh: of(Math.cosh),
    cos: of(Math.cos),
    deg: of((value) => value / RADIANS_PER_DEGREE),
    exp: of(Math.exp),
    floor: of(Math.floor),
    fmod: ofTwo((a, b) => a % b),
    frexp: (args) => frexp(number(args, 1)),
    ldexp: ofTwo(scale, (args, at) => intArgument(runtime, args, at)),
    log10: of(Math.log10),
    log: of(Math.log),
    max: best((a, b) => a > b),
    min: best((a, b) => a < b),
    modf: (args) => {
      const value = number(args, 1);
      const whole = Math.trunc(value);
      const fraction = Math.abs(value) === Infinity ? 0 : Math.abs(value - whole);
      return [whole, value < 0 || Object.is(value, -0) ? -fraction : fraction];
    },
    pow: ofTwo(power),
    rad: of((value) => value * RADIANS_PER_DEGREE),
    random: (args) => draw(runtime, random, args),
    randomseed: (args) => {
      random.seed(intArgument(runtime, args, 1));
      return NO_VALUES;
    },
    sinh: of(Math.sinh),
    sin: of(Math.sin),
    sqrt: of(Math.sqrt),
    tanh: of(Math.tanh),
    tan: of(Math.tan),
  });
  library.set("pi", Math.PI);
  library.set("huge", Infinity);
  library.set("mod", library.get("fmod"));
}

function draw(runtime: Runtime, random: Random, args: LuaValue[]): Results {
  const part = (random.next() % RANDOM_LIMIT) / RANDOM_LIMIT;
  switch (args.length) {
    case 0:
      return part;
    case 1: {
      const most = intArgument(runtime, args, 1);
      if (most < 1) throw runtime.argumentError(1, "interval is empty");
      return Math.floor(part * most) + 1;
    }
    case 2: {
      const least = intArgument(runtime, args, 1);
      const most = intArgument(runtime, args, 2);
      if (least > most) throw runtime.argumentError(2, "interval is empty");
      return Math.floor(part * ((most - least + 1) | 0)) + least;
    }
    default:
      throw runtime.error("wrong number of arguments");
  }
}

/** A mantissa from a half up to one, and the power of two it is taken times. */
function frexp(value: number): Results {
  if (value === 0 || !Number.isFinite(value)) return [value, 0];
  let exponent = Math.max(-1023, Math.floor(Math.log2(Math.abs(value))) + 1);
  let mantissa = scale(value, -exponent);
  while (Math.abs(mantissa) < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  while (Math.abs(mantissa) >= 1) {
    mantissa /= 2;
    exponent++;
  }
  return [mantissa, exponent];
}
