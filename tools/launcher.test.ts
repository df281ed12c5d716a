/**
 * The launcher, without the network: in a scratch project, with an npm of our own that "installs" a link to this Node.
 *
 * Invariant: whatever happens, the folder afterwards holds either no node_modules or a complete one, and no trace of the
 * install.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const launcher = join(import.meta.dirname, "..", "atoll");

/** Writes down that it was called; then installs, fails or takes for ever, as the file `npm-does` says. */
const NPM = `#!/bin/sh
echo $$ >>"$SCRATCH/npm-calls"
case $(cat "$SCRATCH/npm-does") in
  install) mkdir -p node_modules/.bin && ln -s "$REAL_NODE" node_modules/.bin/node ;;
  slowly) sleep 0.5; mkdir -p node_modules/.bin && ln -s "$REAL_NODE" node_modules/.bin/node ;;
  hang) mkdir -p node_modules/half && exec sleep 600 ;;
  fail) echo 'npm error code EAI_AGAIN' >&2; exit 1 ;;
esac
`;

let scratch: string;
let project: string;
const children = new Set<ChildProcess>();

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "atoll-launcher-"));
  project = join(scratch, "project");
  mkdirSync(join(project, "src"), { recursive: true });
  mkdirSync(join(scratch, "bin"));
  cpSync(launcher, join(project, "atoll"));
  for (const name of ["package.json", "package-lock.json"])
    writeFileSync(join(project, name), "{}\n");
  writeFileSync(join(project, ".npmrc"), "");
  const show = "console.log(JSON.stringify([process.cwd(), ...process.argv.slice(2)]));\n";
  writeFileSync(join(project, "src/main.ts"), show);
  writeFileSync(join(project, "entry.ts"), show);
  writeFileSync(join(scratch, "bin/npm"), NPM);
  chmodSync(join(scratch, "bin/npm"), 0o755);
  npm("install");
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  rmSync(scratch, { recursive: true, force: true });
});

function npm(does: "install" | "slowly" | "hang" | "fail"): void {
  writeFileSync(join(scratch, "npm-does"), does);
}

function npmCalls(): number[] {
  const path = join(scratch, "npm-calls");
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").map(Number) : [];
}

/** Names in the project that an install may touch. */
const traces = (): string[] =>
  readdirSync(project).filter((name) => name === "node_modules" || name.startsWith(".atoll"));

interface Start {
  child: ChildProcess;
  ended: Promise<{ code: number | null; out: string; err: string }>;
}

function start(args: string[], options: SpawnOptions & { path?: string } = {}): Start {
  const child = spawn(options.path ?? join(project, "atoll"), args, {
    cwd: scratch,
    ...options,
    env: {
      ...process.env,
      PATH: [join(scratch, "bin"), process.env["PATH"]].join(delimiter),
      SCRATCH: scratch,
      REAL_NODE: process.execPath,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => (out += String(chunk)));
  child.stderr?.on("data", (chunk) => (err += String(chunk)));
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, out, err }));
  return { child, ended };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

test("the first start installs and says so on stderr alone; the second starts at once", async () => {
  const first = await start(["lab", "--json"]).ended;
  assert.equal(first.out, `${JSON.stringify([scratch, "lab", "--json"])}\n`, first.err);
  assert.match(first.err, /installing what is missing/);
  const second = await start(["a b"]).ended;
  assert.deepEqual(second, { code: 0, out: `${JSON.stringify([scratch, "a b"])}\n`, err: "" });
  assert.equal(npmCalls().length, 1);
  assert.deepEqual(traces(), ["node_modules"]);
});

test("a changed lockfile is installed anew, and what was there before is gone", async () => {
  await start([]).ended;
  writeFileSync(join(project, "node_modules/old"), "");
  writeFileSync(join(project, "package-lock.json"), "{ }\n");
  assert.equal((await start([]).ended).code, 0);
  assert.equal(npmCalls().length, 2);
  assert.ok(!existsSync(join(project, "node_modules/old")));
  assert.deepEqual(traces(), ["node_modules"]);
});

test("it works through symbolic links, relative and absolute, from any folder", async () => {
  symlinkSync("project/atoll", join(scratch, "near"));
  symlinkSync(join(scratch, "near"), join(scratch, "far"));
  const { out, err } = await start(["status"], { path: join(scratch, "far"), cwd: "/" }).ended;
  assert.equal(out, '["/","status"]\n', err);
});

test("--run starts another entry of the project, in the project's folder", async () => {
  const { out, err } = await start(["--run", "entry.ts", "x"]).ended;
  assert.equal(out, `${JSON.stringify([project, "x"])}\n`, err);
  assert.equal((await start(["--run"]).ended).code, 2);
});

test("two starts at once install once", async () => {
  npm("slowly");
  const both = await Promise.all([start(["one"]).ended, start(["two"]).ended]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(npmCalls().length, 1);
  assert.match(both.map(({ err }) => err).join(""), /another start \(process \d+\) is installing/);
  assert.deepEqual(traces(), ["node_modules"]);
});

test("a lock whose holder is dead holds nobody up", async () => {
  const dead = spawn("true");
  await once(dead, "close");
  symlinkSync(String(dead.pid), join(project, ".atoll-install.lock"));
  assert.equal((await start([]).ended).code, 0);
  assert.deepEqual(traces(), ["node_modules"]);
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  test(`${signal} during an install ends npm and leaves nothing behind`, async () => {
    npm("hang");
    // As a terminal does, the signal goes to the whole group.
    const { child, ended } = start([], { detached: true });
    await until(() => npmCalls().length === 1);
    process.kill(-(child.pid as number), signal);
    const end = await ended;
    assert.equal(end.code, code, end.err);
    assert.match(end.err, /interrupted/);
    assert.deepEqual(traces(), []);
    assert.throws(() => process.kill(npmCalls()[0] as number, 0), { code: "ESRCH" });
    npm("install");
    assert.equal((await start([]).ended).code, 0);
  });

test("a failing npm is explained, and what was installed before still stands", async () => {
  await start([]).ended;
  writeFileSync(join(project, "node_modules/old"), "");
  writeFileSync(join(project, "package-lock.json"), "{ }\n");
  npm("fail");
  const { code, out, err } = await start([]).ended;
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.match(err, /EAI_AGAIN[^]*registry cannot be reached[^]*Nothing was started/);
  assert.ok(existsSync(join(project, "node_modules/old")));
  assert.deepEqual(traces(), ["node_modules"]);
});

test("npm never runs from the node_modules that is about to be replaced", async () => {
  const bin = join(project, "node_modules/.bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "npm"), "#!/bin/sh\nexit 1\n");
  chmodSync(join(bin, "npm"), 0o755);
  const path = process.env["PATH"];
  process.env["PATH"] = [bin, path].join(delimiter);
  try {
    rmSync(join(scratch, "bin/npm"));
    mkdirSync(join(scratch, "real"));
    writeFileSync(join(scratch, "real/npm"), NPM);
    chmodSync(join(scratch, "real/npm"), 0o755);
    process.env["PATH"] = [bin, join(scratch, "real"), path].join(delimiter);
    const { code, err } = await start([]).ended;
    assert.equal(code, 0, err);
    assert.equal(npmCalls().length, 1);
  } finally {
    process.env["PATH"] = path;
  }
});
