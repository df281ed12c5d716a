/**
 * Pair: two servers that are asked the same things, and the connections to them.
 *
 *   op ─► step ─► pipeline on one connection ─► both answer ─► compare, in order ─► first difference
 *
 * Invariant: whatever could let the two get out of step (another connection, a choice by chance, time) waits until both
 * have answered everything before.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { RespConnection } from "../support/resp-connection.ts";
import {
  encodeCommand,
  isError,
  itemsOf,
  parseReply,
  textOf,
  type Reply,
} from "../support/resp.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { disagreement, replyDisagreement } from "./compare.ts";
import { AGREED_LATER, commandName, replySignature, type Difference } from "./difference.ts";
import { inlineLine } from "./redis-cli-lines.ts";
import { stateDifference } from "./state.ts";
import { connections, type CommandStep, type Op, type Step } from "./step.ts";

/** Told of every step that was answered, and whether the reference took it. */
export type OnAnswered = (step: Step, succeeded: boolean) => void;

/** Says whether a difference is to be passed over. */
export type Excuse = (difference: Difference) => boolean;

/** How many commands are written before the first reply is awaited. */
export const MOST_PER_WRITE = 100;

/** What differs, and how, before it is known whether it is excused. */
type Disagreement = Pick<Difference, "reason" | "reference" | "subject"> & { step: CommandStep };

interface Waiting {
  step: CommandStep;
  opIndex: number;
  stepIndex: number;
}

/** Both ends of one connection number, and what its transaction has queued so far. */
class Ends {
  readonly reference: RespConnection;
  readonly subject: RespConnection;
  queued: CommandStep[] = [];
  before: { reference: Buffer; subject: Buffer } | null = null;

  constructor(reference: RespConnection, subject: RespConnection) {
    this.reference = reference;
    this.subject = subject;
  }
}

export class Pair implements Disposable {
  readonly #referencePort: number;
  readonly #subjectPort: number;
  #ends: (Ends | null)[] = [];
  #waiting: Waiting[] = [];
  #excuse: Excuse;
  #onAnswered: OnAnswered;
  #revive: (() => Promise<void>) | null;

  constructor(
    referencePort: number,
    subjectPort: number,
    excuse: Excuse = () => false,
    onAnswered: OnAnswered = () => {},
    revive: (() => Promise<void>) | null = null,
  ) {
    this.#referencePort = referencePort;
    this.#subjectPort = subjectPort;
    this.#excuse = excuse;
    this.#onAnswered = onAnswered;
    this.#revive = revive;
  }

  /** Empty databases, new connections; and a new subject process when the old one is gone and can be revived. */
  async fresh(): Promise<void> {
    try {
      await this.#empty();
    } catch (error) {
      if (this.#revive === null) throw error;
      await this.#revive();
      await this.#empty();
    }
  }

  async #empty(): Promise<void> {
    this.#disconnect();
    const ends = await this.#end(connections);
    await Promise.all([ends.reference.call("FLUSHALL"), ends.subject.call("FLUSHALL")]);
  }

  /** Does everything; resolves with the first difference that is not excused. The data is compared `withState`. */
  async run(ops: readonly Op[], withState: boolean): Promise<Difference | null> {
    this.#waiting = [];
    for (const [opIndex, op] of ops.entries()) {
      for (const [stepIndex, step] of op.steps.entries()) {
        const found = await this.#do(step, opIndex, stepIndex);
        if (found !== null) return found;
      }
    }
    const found = await this.#flush();
    if (found !== null || !withState) return found;
    const difference = await stateDifference(
      (await this.#end(connections)).reference,
      (await this.#end(connections)).subject,
    );
    return difference === null || this.#excuse(difference) ? null : difference;
  }

  [Symbol.dispose](): void {
    this.#disconnect();
  }

  async #do(step: Step, opIndex: number, stepIndex: number): Promise<Difference | null> {
    if (step.kind === "command") {
      const [first] = this.#waiting;
      if (
        first !== undefined &&
        (first.step.connection !== step.connection || this.#waiting.length >= MOST_PER_WRITE)
      ) {
        const found = await this.#flush();
        if (found !== null) return found;
      }
      this.#waiting.push({ step, opIndex, stepIndex });
      return step.repair === undefined && step.settles !== true ? null : this.#flush();
    }
    const found = await this.#flush();
    if (found !== null) return found;
    if (step.kind === "sleep") {
      await sleep(step.ms);
      return null;
    }
    const [reference, subject] =
      step.kind === "session"
        ? await Promise.all([
            session(this.#referencePort, step.bytes),
            session(this.#subjectPort, step.bytes),
          ])
        : await this.#scan(step);
    const failed = step.kind === "scan" && reference[0] === 0x2d;
    this.#onAnswered(step, !failed);
    if (reference.includes(NOT_CLOSED)) {
      throw new Error(
        `bug: a session that the reference does not close: ${inlineLine([reference])}`,
      );
    }
    if (reference.equals(subject)) return null;
    const reason =
      step.kind === "session" ? "the sessions differ" : "the scans found different items";
    return this.#judge({ step, opIndex, stepIndex, reason, reference, subject });
  }

  /** Sends what waits to both, and compares the answers. */
  async #flush(): Promise<Difference | null> {
    const waiting = this.#waiting;
    const [first] = waiting;
    if (first === undefined) return null;
    this.#waiting = [];
    const ends = await this.#end(first.step.connection);
    const bytes = Buffer.concat(waiting.map(({ step }) => requestOf(step)));
    const [reference, subject] = await Promise.all([
      framesOf(ends.reference, bytes, waiting.length),
      framesOf(ends.subject, bytes, waiting.length),
    ]);
    for (const [index, { step, opIndex, stepIndex }] of waiting.entries()) {
      const [a, b] = [reference[index] ?? Buffer.alloc(0), subject[index] ?? Buffer.alloc(0)];
      if (a.length === 0) {
        throw new Error(`the reference ended at ${inlineLine(step.args)}: ${reference.ended}`);
      }
      this.#onAnswered(step, a[0] !== 0x2d);
      const disagreements =
        b.length === 0
          ? [{ step, reason: endOf(subject.ended), reference: a, subject: b }]
          : this.#compare(ends, step, a, b);
      ends.before = { reference: a, subject: b };
      for (const one of disagreements) {
        const late = step.settles === true && b.length > 0 && (await settled(ends, step));
        const reason = late ? AGREED_LATER : one.reason;
        const found = this.#judge({ ...one, reason, opIndex, stepIndex });
        if (found !== null) return found;
      }
    }
    const last = waiting.at(-1)?.step;
    const [lastReference, lastSubject] = [reference.at(-1), subject.at(-1)];
    if (last?.repair !== undefined && lastReference !== undefined && lastSubject !== undefined) {
      const repairs = last.repair(parseReply(lastReference), parseReply(lastSubject));
      if (repairs.length > 0) await ends.subject.pipeline(repairs);
    }
    return null;
  }

  /** Follows the transaction of a connection, so that the replies inside EXEC are held against their own expectations. */
  #compare(ends: Ends, step: CommandStep, a: Buffer, b: Buffer): Disagreement[] {
    const because = (reason: string | null): Disagreement[] =>
      reason === null ? [] : [{ step, reason, reference: a, subject: b }];
    const name = commandName(step.args);
    if (a.equals(QUEUED)) {
      ends.queued.push(step);
      return because(b.equals(QUEUED) ? null : "the reference queued it");
    }
    const queued = ends.queued;
    if (name === "EXEC" || name === "DISCARD" || name === "RESET") {
      // A refusal of EXEC itself, for its arity, leaves the transaction open.
      if (a[0] !== 0x2d || a.toString("latin1", 0, 10) === "-EXECABORT") ends.queued = [];
      if (name === "EXEC" && !a.equals(b))
        return execDisagreements(queued, a, b) ?? because("the replies differ");
    }
    return because(disagreement(step.expect, a, b, ends.before));
  }

  #judge(found: Omit<Difference, "at" | "signature" | "step"> & { step: Step }): Difference | null {
    const signature = isEnding(found.reason)
      ? found.reason
      : replySignature(found.step, found.reason, found.reference, found.subject);
    const difference: Difference = { ...found, at: "reply", signature };
    return this.#excuse(difference) ? null : difference;
  }

  async #scan(step: Step & { kind: "scan" }): Promise<[Buffer, Buffer]> {
    const { reference, subject } = await this.#end(step.connection);
    return Promise.all([scanned(reference, step), scanned(subject, step)]);
  }

  async #end(connection: number): Promise<Ends> {
    const open = this.#ends[connection] ?? null;
    if (open !== null) return open;
    const [reference, subject] = await Promise.all([
      RespConnection.open(this.#referencePort),
      RespConnection.open(this.#subjectPort),
    ]);
    return (this.#ends[connection] = new Ends(reference, subject));
  }

  #disconnect(): void {
    for (const ends of this.#ends) {
      ends?.reference[Symbol.dispose]();
      ends?.subject[Symbol.dispose]();
    }
    this.#ends = [];
    this.#waiting = [];
  }
}

const NOT_CLOSED = Buffer.from("(and it did not close)");
const QUEUED = Buffer.from("+QUEUED\r\n");

function requestOf(step: CommandStep): Buffer {
  return step.inline
    ? Buffer.from(`${inlineLine(step.args)}\r\n`, "latin1")
    : encodeCommand(step.args);
}

/** Whether the two agree within a second when asked again, again and again. */
async function settled(ends: Ends, step: CommandStep): Promise<boolean> {
  for (let tries = 0; tries < 50; tries++) {
    await sleep(20);
    const [a, b] = await Promise.all([
      ends.reference.call(...step.args),
      ends.subject.call(...step.args),
    ]);
    if (replyDisagreement(step.expect, a, b) === null) return true;
  }
  return false;
}

/** The frames that came; fewer than asked for when the connection ended, with the reason. */
async function framesOf(
  connection: RespConnection,
  bytes: Buffer,
  count: number,
): Promise<Buffer[] & { ended?: string }> {
  try {
    return await connection.send(bytes, count);
  } catch (error) {
    const frames: Buffer[] & { ended?: string } = connection.takeAnswered();
    frames.ended = error instanceof Error ? error.message : String(error);
    return frames;
  }
}

/**
 * Whether the reason is that the subject fell silent. What it had not yet sent is lost with it, so the step that is named may
 * stand a little before the guilty one; only a shrunk script names that.
 */
export function isEnding(reason: string): boolean {
  return reason === endOf() || reason === endOf("no reply");
}

/** A reset and an orderly end are one difference. */
function endOf(reason = ""): string {
  return reason.startsWith("no reply")
    ? "the subject did not answer"
    : "the subject ended the connection";
}

/** Each under the name of the command inside; null when the two replies cannot be held against each other one by one. */
function execDisagreements(
  queued: readonly CommandStep[],
  a: Buffer,
  b: Buffer,
): Disagreement[] | null {
  const [reference, subject] = [parseReply(a), parseReply(b)];
  const [mine, its] = [itemsOf(reference), itemsOf(subject)];
  if (reference.type !== subject.type || mine.length !== its.length || mine.length === 0) {
    return null;
  }
  const found: Disagreement[] = [];
  for (const [index, item] of mine.entries()) {
    const [other, step] = [its[index], queued[index]];
    if (other === undefined || step === undefined) return null;
    const wrong = replyDisagreement(step.expect, item, other);
    if (wrong === null) continue;
    found.push({
      step,
      reason: `inside EXEC: ${wrong}`,
      reference: item.raw,
      subject: other.raw,
    });
  }
  return found;
}

/** Everything a SCAN finds until its cursor is 0, sorted and without repetition; or the error it gave. */
async function scanned(connection: RespConnection, step: Step & { kind: "scan" }): Promise<Buffer> {
  const found = new Map<string, Buffer>();
  let args: Buffer[] = step.args;
  for (let calls = 0; calls < 100_000; calls++) {
    const reply = await connection.call(...args);
    const [cursor, page] = itemsOf(reply);
    if (isError(reply) || cursor === undefined || page === undefined) return reply.raw;
    for (const item of units(page, step.stride)) found.set(item.toString("latin1"), item);
    const next = textOf(cursor) ?? Buffer.alloc(0);
    if (next.toString() === "0") return Buffer.concat([...found.values()].sort(Buffer.compare));
    args = args.with(step.cursorAt, next);
  }
  return Buffer.from("-the scan did not end\r\n");
}

function units(page: Reply, stride: 1 | 2): Buffer[] {
  const items = itemsOf(page);
  return Array.from({ length: Math.ceil(items.length / stride) }, (_, i) =>
    Buffer.concat(items.slice(i * stride, (i + 1) * stride).map((item) => item.raw)),
  );
}

/** Everything the server says on a connection of its own until it closes it. */
async function session(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1" });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  // A reset is one way to close; what had come before it counts.
  socket.on("error", () => {});
  const timer = setTimeout(() => {
    chunks.push(NOT_CLOSED);
    socket.destroy();
  }, 2_000);
  const closed = once(socket, "close");
  socket.write(bytes);
  await closed;
  clearTimeout(timer);
  return Buffer.concat(chunks);
}
