/**
 * Parts: the subfolders of test/, each a kind of proof that starts real processes, with what it needs and may take.
 *
 * Invariant: every folder of test/ is a part of this table or shared support, so no test is forgotten because nobody
 * listed it. The reverse is allowed: an entry may wait for its folder.
 */
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface Part {
  name: string;
  /** The test files, as a glob from the root of the project. */
  files: string;
  /** Debian packages, without which the part is skipped. */
  needs: readonly Need[];
  /** When these are over the part is killed. Generous: three times what it takes on two quiet cores. */
  minutes: number;
}

/** A Debian package and the program by which it is recognised. */
const programs = {
  "redis-server": "redis-server",
  "redis-tools": "redis-cli",
  strace: "strace",
  faketime: "faketime",
  "bind9-dnsutils": "dig",
  "knot-dnsutils": "kdig",
  curl: "curl",
  unbound: "unbound",
  nsd: "nsd",
  ldnsutils: "ldns-verify-zone",
} as const;
export type Need = keyof typeof programs;

const part = (name: string, minutes: number, ...needs: Need[]): Part => ({
  name,
  files: `test/${name}/**/*.test.ts`,
  needs,
  minutes,
});

export const parts: readonly Part[] = [
  part("storage", 8),
  part("clients", 4, "redis-tools"),
  part("import", 5, "redis-server"),
  part("libraries", 5),
  part("differential", 6, "redis-server"),
  part("lua", 4, "redis-server"),
  part("lab", 6),
  part("traffic", 8, "bind9-dnsutils", "knot-dnsutils"),
  part("dns", 5, "bind9-dnsutils", "knot-dnsutils", "unbound", "nsd", "ldnsutils", "curl"),
  part("chaos", 10),
  part("faults", 5, "strace", "faketime"),
  part("upgrade", 6),
  part("simulation", 15),
  part("fuzz", 12),
];

/** Folders of test/ that hold no tests of their own but what the parts share. */
const support = ["support"];

/** The parts that are there, and the folders nobody has entered in the table. */
export function discover(table: readonly Part[]): { present: Part[]; unknown: string[] } {
  const folders = existsSync("test")
    ? readdirSync("test", { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !support.includes(entry.name))
        .map(({ name }) => name)
    : [];
  return {
    present: table.filter(({ name }) => folders.includes(name)),
    unknown: folders.filter((name) => !table.some((one) => one.name === name)),
  };
}

/** Those of the packages a part needs that this machine lacks. */
export function missing(needs: readonly Need[]): Need[] {
  return needs.filter((need) => !installed(programs[need]));
}

function installed(program: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
