/**
 * DEBUG PROTOCOL: one reply of each type there is in RESP3, for tests of clients.
 *
 * Invariant: the values are those that Redis answers, so that a client's tests pass here as there.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { quote } from "./errors.ts";
import type { Run } from "./run.ts";

const BIG_NUMBER = "1234567999999999999999999999999999999";

const types: Record<string, (reply: Reply) => void> = {
  string: (reply) => reply.text("Hello World"),
  integer: (reply) => reply.int(12_345),
  double: (reply) => reply.double("3.141"),
  null: (reply) => reply.nil(),
  array: (reply) => {
    reply.array(3);
    for (let i = 0; i < 3; i++) reply.int(i);
  },
  set: (reply) => {
    reply.set(3);
    for (let i = 0; i < 3; i++) reply.int(i);
  },
  map: (reply) => {
    reply.map(3);
    for (let i = 0; i < 3; i++) {
      reply.int(i);
      reply.bool(i === 1);
    }
  },
  attrib: (reply) => {
    if (reply.resp === 3) {
      reply.sink.latin1("|1\r\n");
      reply.text("key-popularity");
      reply.array(2);
      reply.text("key:123");
      reply.int(90);
    }
    reply.text("Some real reply following the attribute");
  },
  push: (reply) => {
    if (reply.resp !== 3) return reply.error("ERR RESP2 is not supported by this command");
    reply.push(2);
    reply.text("server-cpu-usage");
    reply.int(42);
  },
  verbatim: (reply) => reply.verbatim("This is a verbatim\nstring"),
  true: (reply) => reply.bool(true),
  false: (reply) => reply.bool(false),
  bignum: (reply) => {
    if (reply.resp === 3) reply.sink.latin1(`(${BIG_NUMBER}\r\n`);
    else reply.text(BIG_NUMBER);
  },
};

/** Handler of DEBUG PROTOCOL. */
export function debugProtocol(_run: Run, args: Args, reply: Reply): void {
  const name = args.text(2).toLowerCase();
  const answer = Object.hasOwn(types, name) ? types[name] : undefined;
  if (answer === undefined)
    return reply.error(
      `ERR Wrong protocol type name '${quote(args, 2, 128)}'. Please use one of the following: ${Object.keys(types).join("|")}`,
    );
  answer(reply);
}
