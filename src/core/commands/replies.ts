/**
 * Replies that several commands of our own share.
 *
 * Invariant: a write is told the same way wherever it is: whose, where, when, and under which dot.
 */
import { originName } from "../clock/origins.ts";
import type { Written } from "../replica/conflict.ts";
import type { Reply } from "../wire/reply.ts";

/** Who made a write, and when, in milliseconds since 1970. */
export function replyWritten({ origin, seq, ms }: Written, reply: Reply): void {
  reply.map(4);
  reply.text("region");
  reply.text(origin.member.replace(/\/\d+$/, ""));
  reply.text("member");
  reply.text(origin.member);
  reply.text("dot");
  reply.text(`${originName(origin)}:${seq}`);
  reply.text("ms");
  reply.int(ms);
}
