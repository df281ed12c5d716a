/** Operations of enumerations, and how many meetings of them there must be. */
import assert from "node:assert/strict";
import type { Format } from "../crdt/format.ts";
import {
  enumerate,
  type Enumeration,
  meetingsOfThree,
  type Operation,
} from "./enumeration.suite.ts";
import type { Solo } from "./solo.suite.ts";

/** An operation that adds to no counter. */
export function plain(
  name: string,
  make: (solo: Solo, key: string, nth: number) => void,
): Operation {
  return {
    name,
    make: (solo, key, nth) => {
      make(solo, key, nth);
      return [];
    },
  };
}

/** As `plain`, done only where a reader sees something. */
export function there(
  name: string,
  make: (solo: Solo, key: string, nth: number) => void,
): Operation {
  return plain(name, (solo, key, nth) => {
    if (solo.view(key) !== "none") make(solo, key, nth);
  });
}

/** A command that is taken wherever its type is; `%` is the number of the operation. */
export function command(name: string, ...rest: readonly string[]): Operation {
  return plain([name, ...rest].join(" "), (solo, key, nth) => {
    const words = rest.map((word) => word.replace("%", `${nth}`));
    assert.match(solo.command(name, key, ...words), /^([^-]|-WRONGTYPE)/);
  });
}

/** An operation as whoever has configured a format does it. */
export function formatted(format: Format, { name, make }: Operation): Operation {
  return {
    name: `${name} (${format})`,
    make: (solo, key, nth) => {
      const { policies } = solo.replica.keyspace;
      policies.set("", "lww", format);
      try {
        return make(solo, key, nth);
      } finally {
        policies.set("", "lww", null);
      }
    },
  };
}

export function counted(
  name: string,
  count: (solo: Solo, key: string, delta: number) => void,
): Operation {
  return {
    name,
    make: (solo, key) => {
      count(solo, key, 2);
      return [2];
    },
  };
}

/** Every plan of four operations. */
export function check(operations: readonly Operation[], more: Partial<Enumeration> = {}): void {
  assert.equal(enumerate({ operations, ...more }), 156 * operations.length ** 4);
}

/** Every way in which three of many operations meet behind a first. */
export function checkMeetings(
  operations: readonly Operation[],
  more: Partial<Enumeration> = {},
): void {
  const plans = meetingsOfThree();
  assert.equal(enumerate({ operations, plans, ...more }), 21 * operations.length ** 4);
}

/** Every plan of four operations at one time, of replicas whatever their names. */
export function checkAtOnce(operations: readonly Operation[]): void {
  assert.equal(enumerate({ operations, atOnce: true }), 933 * operations.length ** 4);
}
