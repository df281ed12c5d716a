/**
 * The manifest and the lockfile say exactly what is installed, and nothing about where from.
 *
 * Invariant: a clone installs the same versions today and in five years, from whatever registry or mirror it can reach.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

interface Manifest {
  /** By name: whether a package may run its own scripts when it is installed. */
  allowScripts: Record<string, boolean>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}

interface Lockfile {
  packages: Record<
    string,
    Partial<Manifest> & { version?: string; integrity?: string; hasInstallScript?: boolean }
  >;
}

const read = (name: string): string => readFileSync(join(import.meta.dirname, "..", name), "utf8");
const manifest = JSON.parse(read("package.json")) as Manifest;
const lockfile = JSON.parse(read("package-lock.json")) as Lockfile;
const installed = Object.entries(lockfile.packages).filter(([path]) => path !== "");

const EXACT = /^(?:npm:@?[\w./-]+@)?\d+\.\d+\.\d+(?:-[\w.-]+)?$/;

test("every dependency is one exact version", () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
  assert.ok(all.length > 10);
  assert.deepEqual(
    all.filter(([, version]) => !EXACT.test(version)),
    [],
  );
});

test("the lockfile is of this manifest", () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  const locked = lockfile.packages[""];
  assert.deepEqual(locked?.dependencies, dependencies);
  assert.deepEqual(locked?.devDependencies, devDependencies);
  assert.deepEqual(locked?.optionalDependencies, optionalDependencies);
});

test("the lockfile names no host to download from", () => {
  assert.ok(!/"resolved"/.test(read("package-lock.json")));
});

test("every package is locked by its contents", () => {
  assert.ok(installed.length > 50);
  assert.deepEqual(
    installed.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path),
    [],
  );
});

test("no package runs a script when it is installed", () => {
  const denied = Object.entries(manifest.allowScripts).filter(([, allowed]) => !allowed);
  const names = new Set(denied.map(([name]) => name));
  assert.equal(names.size, Object.keys(manifest.allowScripts).length, "none is allowed");
  const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + 13);
  const running = installed.filter(
    ([path, { hasInstallScript }]) => hasInstallScript === true && !names.has(nameOf(path)),
  );
  assert.deepEqual(
    running.map(([path]) => path),
    [],
  );
});
