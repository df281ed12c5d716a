/**
 * redis-cli lines: steps as text that redis-cli takes, for people who want to see a difference themselves.
 *
 * Invariant: a line read back by redis-cli, or by a server as an inline command, is the same arguments byte for byte.
 */
import type { Step } from "./step.ts";

/** One argument, quoted only where it must be. */
export function displayArg(arg: Buffer): string {
  const text = arg.toString("latin1");
  if (/^[\w.:*?@^+/=-]+$/.test(text)) return text;
  let quoted = "";
  for (const byte of arg) {
    if (byte === 0x22 || byte === 0x5c) quoted += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) quoted += String.fromCharCode(byte);
    else quoted += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `"${quoted}"`;
}

export function inlineLine(args: readonly Buffer[]): string {
  return args.map(displayArg).join(" ");
}

/** The steps one under the other. A remark says where another connection takes over, and what redis-cli cannot do. */
export function redisCliLines(steps: readonly Step[]): string[] {
  const lines: string[] = [];
  const used = new Set(steps.map((step) => ("connection" in step ? step.connection : -1)));
  used.delete(-1);
  let current = -1;
  for (const step of steps) {
    if ("connection" in step && step.connection !== current) {
      current = step.connection;
      if (used.size > 1) lines.push(`# connection ${current}`);
    }
    switch (step.kind) {
      case "command":
        lines.push(inlineLine(step.args) + (step.inline ? "   # as an inline command" : ""));
        break;
      case "scan":
        lines.push(`${inlineLine(step.args)}   # and on until the cursor is 0`);
        break;
      case "sleep":
        lines.push(`# ${step.ms} ms pass`);
        break;
      case "session":
        lines.push(`# a connection of its own sends the bytes ${displayArg(step.bytes)}`);
        break;
    }
  }
  return lines;
}
