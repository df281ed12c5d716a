/**
 * Control: how `atoll lab cut …` reaches the lab that runs.
 *
 * A loopback port whose number and token stand in the lab's directory, rather than a Unix socket there: the path of a socket
 * may not be longer than about a hundred bytes, and directories often are.
 *
 * Invariant: nothing is done for a caller that does not hold the token, which only the owner of the directory can read; the
 * answer is sent when the command is done, not when it is taken.
 */
import { timingSafeEqual } from "node:crypto";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { LabCommand } from "./lab-command.ts";
import type { Running } from "./lab-directory.ts";

/** What a command came to: something to print, or why it was not done. */
export type Answer = { done: unknown } | { refused: string };

const BODY_BYTES_MAX = 64 * 1024;

export interface ControlServer extends AsyncDisposable {
  readonly port: number;
}

/** Answers commands on a free loopback port. */
export async function serveControl(
  token: string,
  carryOut: (command: LabCommand) => Promise<Answer>,
): Promise<ControlServer> {
  const server = createServer((incoming, outgoing) => {
    void answer(incoming, token, carryOut).then((reply) => send(outgoing, reply));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: address === null || typeof address === "string" ? 0 : address.port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(
  incoming: IncomingMessage,
  token: string,
  carryOut: (command: LabCommand) => Promise<Answer>,
): Promise<Answer> {
  const given = Buffer.from(incoming.headers.authorization ?? "");
  const expected = Buffer.from(token);
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    return { refused: "the token is wrong" };
  try {
    return await carryOut(JSON.parse(await bodyOf(incoming)) as LabCommand);
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of incoming) {
    text += String(chunk);
    if (text.length > BODY_BYTES_MAX) throw new Error("the command is too long");
  }
  return text;
}

function send(outgoing: ServerResponse, reply: Answer): void {
  outgoing.writeHead(200, { "content-type": "application/json", connection: "close" });
  outgoing.end(JSON.stringify(reply));
}

/** Sends one command to a running lab; null when none answers there. */
export function callControl(running: Running, command: LabCommand): Promise<Answer | null> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: "127.0.0.1",
      port: running.port,
      method: "POST",
      headers: { authorization: running.token },
    });
    outgoing.on("response", (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk: string) => (text += chunk));
      incoming.on("error", reject);
      incoming.on("end", () => {
        try {
          resolve(JSON.parse(text) as Answer);
        } catch {
          resolve(null); // somebody else listens there now
        }
      });
    });
    outgoing.on("error", () => resolve(null));
    outgoing.end(JSON.stringify(command));
  });
}
