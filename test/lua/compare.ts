/**
 * Compare: random programs of a seed, run by both, and what differed, made small.
 *
 * Invariant: a program is named by seed and number, so a difference shows again.
 */
import { Chance } from "../differential/chance.ts";
import { Reference, runHere, TooLong } from "./ends.ts";
import { ProgramWriter } from "./programs.ts";

const PER_BATCH = 100;
const DAMAGED = 0.15;

const EXCUSED_ANSWER = /nan|0x|[}n]=/i;
/** What is then done to an address may leave no more than a part of it. */
const SHOWS_ADDRESS = /tostring\s*\(+\s*(\{|string|function|print)/;

export interface Difference {
  program: string;
  redis: string;
  own: string;
}

export interface Comparison {
  total: number;
  succeeded: number;
  failed: number;
  uncompiled: number;
  /** Programs that would not end, or take too much. */
  endless: number;
  /** Different for one of the reasons that are documented. */
  excused: number;
  differing: number;
  differences: Difference[];
}

export async function compareMany(options: {
  port: number;
  seed: number;
  count: number;
  most: number;
}): Promise<Comparison> {
  const { port, seed, count, most } = options;
  using reference = await Reference.open(port);
  const result: Comparison = {
    ...{
      total: 0,
      succeeded: 0,
      failed: 0,
      uncompiled: 0,
      endless: 0,
      excused: 0,
      differing: 0,
      differences: [],
    },
  };
  for (let from = 0; from < count; from += PER_BATCH) {
    const length = Math.min(PER_BATCH, count - from);
    const drawnOnes = Array.from({ length }, (_, at) => drawn(seed * 10_000_019 + from + at));
    const owns = drawnOnes.map(answerHere);
    // Only what ends here is given to Redis, which would not stop it.
    const programs = drawnOnes.filter((_, at) => owns[at] !== null);
    const ended = owns.filter((own) => own !== null);
    result.endless += length - programs.length;
    const answers = await reference.run(programs);
    for (const [at, redis] of answers.entries()) {
      const program = programs[at] as string;
      const own = ended[at] as string;
      result.total++;
      if (redis.startsWith("true")) result.succeeded++;
      else if (redis.startsWith("does not compile")) result.uncompiled++;
      else result.failed++;
      if (own === redis) continue;
      // Not-a-number has a sign in C, addresses are none of ours, and objects as keys are ordered by them.
      if (EXCUSED_ANSWER.test(redis) || SHOWS_ADDRESS.test(program)) {
        result.excused++;
        continue;
      }
      result.differing++;
      if (result.differences.length < most) {
        result.differences.push(await shrunk(reference, { program, redis, own }));
      }
    }
  }
  return result;
}

function drawn(seed: number): string {
  const chance = new Chance(seed);
  const writer = new ProgramWriter(chance);
  return chance.happens(DAMAGED) ? writer.damaged() : writer.program();
}

/** Null when it does not end. */
function answerHere(program: string): string | null {
  try {
    return runHere(program);
  } catch (error) {
    if (error instanceof TooLong) return null;
    return `threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

/** Without whatever words can go while the answers still differ and neither is about syntax unless the first was. */
async function shrunk(reference: Reference, found: Difference): Promise<Difference> {
  const kindOf = (text: string) => text.startsWith("does not compile");
  let best = found;
  let words = best.program.split(/(?<=\s)/);
  for (let size = words.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= words.length;) {
      const fewer = words.toSpliced(at, size);
      const program = fewer.join("");
      const own = answerHere(program);
      const redis = own === null ? null : ((await reference.run([program]))[0] ?? "");
      if (
        own === null ||
        redis === null ||
        own === redis ||
        kindOf(redis) !== kindOf(found.redis)
      ) {
        at += size;
      } else {
        best = { program, redis, own };
        words = fewer;
      }
    }
  }
  return best;
}
