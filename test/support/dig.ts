/** Dig: asks a DNS server as operators do, and reads what the tools print. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Dug {
  readonly text: string;
  /** `NOERROR` and the like. */
  readonly status: string;
  readonly flags: readonly string[];
  /** The answer section, one record a line, with single blanks. */
  readonly answers: readonly string[];
}

/** What `dig` prints for these words; asked again where the machine was too busy to answer. */
export async function dig(port: number, ...words: string[]): Promise<Dug> {
  const base = ["@127.0.0.1", "-p", String(port), "+tries=5", "+time=4", "+noidnout"];
  const { stdout } = await run("dig", [...base, ...words]);
  return read(stdout);
}

/** The same of Knot's tool. */
export async function kdig(port: number, ...words: string[]): Promise<Dug> {
  const base = ["@127.0.0.1", "-p", String(port), "+retry=5", "+time=4"];
  const { stdout } = await run("kdig", [...base, ...words]);
  return read(stdout);
}

function read(text: string): Dug {
  const section = /ANSWER SECTION:\n([^]*?)\n\n/.exec(text)?.[1] ?? "";
  return {
    text,
    status: /status: (\w+)/.exec(text)?.[1] ?? "",
    flags: (/flags: ([a-z ]*)[;\n]/i.exec(text)?.[1] ?? "").trim().toLowerCase().split(" "),
    answers: section
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.replaceAll(/\s+/g, " ")),
  };
}
