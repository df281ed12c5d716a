/**
 * LCS: the longest common subsequence of two strings.
 *
 * Invariant: the table of lengths, four bytes for every pair of positions, is no larger than one value may be
 * (`proto-max-bulk-len`), which bounds the time as well.
 *
 *   lengths of all prefixes, row by row ─► back from the end along the matches ─► bytes, or ranges of matches
 */
import { STRING, NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

const nothing = Buffer.alloc(0);

function lcs(run: Run, args: Args, reply: Reply): void {
  const first = run.look(args, 1, 0);
  const second = run.look(args, 2, 1);
  for (const { type } of [first, second])
    if (type !== STRING && type !== NONE)
      return reply.error("ERR The specified keys must contain string values");
  let wantsRanges = false;
  let wantsLength = false;
  let withLengths = false;
  let lengthMin = 0;
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "IDX")) wantsRanges = true;
    else if (args.is(i, "LEN")) wantsLength = true;
    else if (args.is(i, "WITHMATCHLEN")) withLengths = true;
    else if (args.is(i, "MINMATCHLEN") && i + 1 < args.count) {
      lengthMin = roughlyAt(args, ++i);
      if (Number.isNaN(lengthMin)) return reply.error(NOT_AN_INTEGER);
    } else return reply.error(SYNTAX);
  }
  if (wantsRanges && wantsLength)
    return reply.error("ERR If you want both the length and indexes, please just use IDX.");
  const a = first.type === NONE ? nothing : first.value.subarray(first.valueStart, first.valueEnd);
  const b =
    second.type === NONE ? nothing : second.value.subarray(second.valueStart, second.valueEnd);
  if ((a.length + 1) * (b.length + 1) * 4 > run.settings.protoMaxBulkLen)
    return reply.error(
      "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
    );
  const lengths = lengthsOf(a, b);
  const length = lengths.at(-1) as number;
  if (wantsRanges) replyRanges(a, b, lengths, lengthMin, withLengths, reply);
  else if (wantsLength) reply.int(length);
  else reply.buffer(common(a, b, lengths, Buffer.alloc(length)));
}

/** Row i, column j: how long the common subsequence of the first i bytes of `a` and the first j of `b` is. */
function lengthsOf(a: Buffer, b: Buffer): Uint32Array {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const at = i * width + j;
      const up = lengths[at - width] as number;
      const left = lengths[at - 1] as number;
      lengths[at] =
        a[i - 1] === b[j - 1] ? (lengths[at - width - 1] as number) + 1 : Math.max(up, left);
    }
  return lengths;
}

/** Walks back along the matches, the last one first: `visit` gets their positions. */
function walkBack(
  a: Buffer,
  b: Buffer,
  lengths: Uint32Array,
  visit: (i: number, j: number) => void,
): void {
  const width = b.length + 1;
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) visit(--i, --j);
    else if ((lengths[(i - 1) * width + j] as number) > (lengths[i * width + j - 1] as number)) i--;
    else j--;
  }
}

function common(a: Buffer, b: Buffer, lengths: Uint32Array, out: Buffer): Buffer {
  let at = out.length;
  walkBack(a, b, lengths, (i) => (out[--at] = a[i] as number));
  return out;
}

function replyRanges(
  a: Buffer,
  b: Buffer,
  lengths: Uint32Array,
  lengthMin: number,
  withLengths: boolean,
  reply: Reply,
): void {
  reply.map(2);
  reply.text("matches");
  const mark = reply.mark;
  let count = 0;
  let firstA = -1;
  let firstB = -1;
  let length = 0;
  const finish = (): void => {
    if (length === 0 || length < lengthMin) return;
    count++;
    reply.array(withLengths ? 3 : 2);
    replyRange(firstA, length, reply);
    replyRange(firstB, length, reply);
    if (withLengths) reply.int(length);
  };
  walkBack(a, b, lengths, (i, j) => {
    if (length > 0 && i + 1 === firstA && j + 1 === firstB) length++;
    else {
      finish();
      length = 1;
    }
    firstA = i;
    firstB = j;
  });
  finish();
  reply.insertArrayHeader(mark, count);
  reply.text("len");
  reply.int(lengths.at(-1) as number);
}

function replyRange(from: number, length: number, reply: Reply): void {
  reply.array(2);
  reply.int(from);
  reply.int(from + length - 1);
}

export const lcsCommands: readonly Command[] = [
  {
    name: "lcs",
    arity: -3,
    flags: ["readonly"],
    keys: [1, 2, 1],
    categories: ["string"],
    group: "string",
    since: "7.0.0",
    complexity: "O(N*M) for strings of N and M bytes",
    summary: "Finds the longest common subsequence of two strings",
    run: lcs,
  },
];
