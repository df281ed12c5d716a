/**
 * Transactions: MULTI, EXEC, DISCARD, WATCH and UNWATCH, with errors inside, misuse, and other connections in between.
 *
 * Invariant: a transaction is one op, and every op leaves its connection outside of MULTI and without watched keys.
 */
import type { Generator, Spec } from "../generator.ts";
import { connections, type Step } from "../step.ts";

export const transactions: readonly Spec[] = [
  {
    name: "MULTI",
    weight: 12,
    spoil: false,
    queueable: false,
    make: (g) => [g.command(["MULTI"]), ...g.queued(g.chance.between(0, 6)), g.command(["EXEC"])],
  },
  {
    name: "DISCARD",
    weight: 4,
    spoil: false,
    queueable: false,
    make: (g) => [
      g.command(["MULTI"]),
      ...g.queued(g.chance.between(0, 4)),
      g.command(["DISCARD"]),
    ],
  },
  {
    name: "EXEC",
    options: ["after a refused command"],
    weight: 5,
    spoil: false,
    queueable: false,
    make: (g) => {
      g.use("after a refused command");
      return [
        g.command(["MULTI"]),
        ...g.queued(g.chance.between(0, 2)),
        g.command(
          g.chance.pick([
            ["NOSUCH", "a"],
            ["GET"],
            ["SET", "s1"],
            ["OBJECT", "NOSUCH"],
            ["EXPIRE", "s1"],
          ]),
        ),
        ...g.queued(g.chance.between(0, 2)),
        g.command([g.chance.pick(["EXEC", "EXEC", "DISCARD"])]),
      ];
    },
  },
  {
    name: "WATCH",
    options: ["changed by another", "changed by itself", "left alone", "in another database"],
    weight: 16,
    spoil: false,
    queueable: false,
    make: (g) => watched(g),
  },
  {
    name: "UNWATCH",
    weight: 5,
    spoil: false,
    queueable: false,
    make: (g) => {
      const key = g.anyKey();
      const other = another(g);
      const db = String(g.chance.below(4));
      return [
        g.command(["SELECT", db]),
        g.command(["SELECT", db], undefined, other),
        g.command(["WATCH", key]),
        ...(g.chance.happens(0.8) ? [g.command(["UNWATCH"])] : []),
        touching(g, key, other),
        ...(g.chance.happens(0.3) ? [g.command(["UNWATCH"])] : []),
        g.command(["MULTI"]),
        g.command(["PING"]),
        g.command(["EXEC"]),
      ];
    },
  },
  {
    name: "-misuse of transactions",
    weight: 5,
    spoil: false,
    queueable: false,
    make: (g) =>
      g.chance.pick([
        () => [g.command(["EXEC"])],
        () => [g.command(["DISCARD"])],
        () => [g.command(["WATCH"])],
        () => [g.command(["MULTI", "extra"])],
        () => [g.command(["EXEC", "extra"])],
        () => [g.command(["UNWATCH", "extra"]), g.command(["UNWATCH"])],
        () => [
          g.command(["MULTI"]),
          g.command(["MULTI"]),
          ...g.queued(1),
          g.command(["WATCH", g.anyKey()]),
          g.command(["UNWATCH"]),
          g.command(["EXEC"]),
        ],
        () => [g.command(["MULTI"]), g.command(["EXEC", "extra"]), g.command(["EXEC"])],
        () => [
          g.command(["WATCH", g.anyKey()]),
          g.command(["MULTI"]),
          ...g.queued(2),
          g.command(["DISCARD"]),
        ],
      ])(),
  },
];

function watched(g: Generator): Step[] {
  const keys = g.keys("any", 2);
  const key = g.chance.pick(keys);
  const other = another(g);
  const db = g.chance.below(4);
  const steps = [
    g.command(["SELECT", db]),
    g.command(["SELECT", db], undefined, other),
    g.command(["WATCH", ...keys]),
  ];
  const how = g.chance.pick([
    "changed by another",
    "changed by another",
    "changed by itself",
    "left alone",
    "in another database",
  ]);
  g.use(how);
  if (how === "changed by another") steps.push(touching(g, key, other));
  if (how === "changed by itself") steps.push(touching(g, key, g.connection));
  if (how === "in another database") {
    steps.push(g.command(["SELECT", (db + 1) % 4], undefined, other), touching(g, key, other));
  }
  return [
    ...steps,
    g.command(["MULTI"]),
    ...g.queued(g.chance.between(0, 3)),
    g.command(["EXEC"]),
    // What EXEC forgot must not abort the next one.
    ...(g.chance.happens(0.3)
      ? [touching(g, key, other), g.command(["MULTI"]), g.command(["PING"]), g.command(["EXEC"])]
      : []),
  ];
}

/** Something that may or may not change the key; Redis decides which of them abort a watcher. */
function touching(g: Generator, key: Buffer, connection: number): Step & { kind: "command" } {
  const args = g.chance.pick([
    ["SET", key, g.value()],
    ["SET", key, g.value(), "NX"],
    ["SETNX", key, g.value()],
    ["APPEND", key, ""],
    ["SADD", key, g.field()],
    ["SREM", key, g.field()],
    ["HSET", key, g.field(), g.value()],
    ["HDEL", key, g.field()],
    ["DEL", key],
    ["EXPIRE", key, "86400"],
    ["PERSIST", key],
    ["EXPIRE", key, "-1"],
    ["RENAME", key, g.anyKey()],
    ["RENAME", g.anyKey(), key],
    ["COPY", g.anyKey(), key, "REPLACE"],
    ["GET", key],
    ["TOUCH", key],
    ["GETEX", key, "PERSIST"],
    ["FLUSHDB"],
    ["SINTERSTORE", key, "none"],
    ["MOVE", key, "1"],
  ]);
  return g.command(args, undefined, connection);
}

function another(g: Generator): number {
  return (g.connection + 1 + g.chance.below(connections - 1)) % connections;
}
