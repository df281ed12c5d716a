/**
 * Protocol: what a server makes of bytes that are not quite a request, on connections that it must close in the end.
 *
 * Invariant: every session ends with QUIT or with something that Redis closes the connection for, so its whole output can
 * be compared.
 */
import { encodeCommand } from "../../support/resp.ts";
import type { Spec } from "../generator.ts";
import { latin1 } from "../generator.ts";

const QUIT = "*1\r\n$4\r\nQUIT\r\n";

const sessions: readonly string[] = [
  QUIT,
  "QUIT\r\n",
  "quit now\r\n",
  `*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n${QUIT}*1\r\n$4\r\nPING\r\n`,
  // Empty requests are passed over, and what follows them is served.
  `*0\r\n*-1\r\n\r\n   \r\n*1\r\n$4\r\nPING\r\n${QUIT}`,
  `PING\r\n  PING  hello \r\nPING "a\\x41\\n\\"b"\r\nPING 'it\\'s \\n'\r\n${QUIT}`,
  `PING\n${QUIT}`,
  `ECHO "" \r\nECHO ''\r\n${QUIT}`,
  'PING "unbalanced\r\n',
  "PING 'unbalanced\r\n",
  'PING "closed"directly\r\n',
  "*2147483648\r\n",
  "*99999999999999999999\r\n",
  "*abc\r\n",
  "*1\r\nPING\r\n",
  "*1\r\n$-1\r\n",
  "*1\r\n$abc\r\n",
  "*1\r\n$99999999999999\r\n",
  "*1\r\n$536870913\r\n",
  "*2\r\n$4\r\nECHO\r\n$-2\r\n",
  "*1\r\n:4\r\n",
  "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET a\r\nHost: example\r\n\r\n",
  // A length that lies: the two bytes after the value are passed over, whatever they are.
  `*1\r\n$4\r\nPINGxx${QUIT}`,
  `+OK\r\n${QUIT}`,
  `$4\r\nPING\r\n${QUIT}`,
  `*1\r\n$0\r\n\r\n${QUIT}`,
];

export const protocol: readonly Spec[] = [
  {
    name: "QUIT",
    weight: 6,
    spoil: false,
    queueable: false,
    make: (g) => {
      if (g.chance.happens(0.8))
        return [{ kind: "session", bytes: latin1(g.chance.pick(sessions)) }];
      const before = g.queued(g.chance.between(1, 5)).filter((step) => step.kind === "command");
      // Replies by chance or in any order cannot be compared as a stream of bytes.
      const plain = before.filter((step) => step.expect.kind === "exact");
      const requests = plain.map((step) => encodeCommand(step.args));
      return [{ kind: "session", bytes: Buffer.concat([...requests, latin1(QUIT)]) }];
    },
  },
];
