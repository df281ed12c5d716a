/**
 * Catalogue: bugs that somebody could write, each as a patch of one line or two. The simulator must find every one of them.
 *
 * Invariant: a patch fits in exactly one place of its file; one that no longer does fails the run, so the catalogue keeps up with the
 * code. `seconds` and `seeds` direct the search: how long the faults last in a seed, and how many seeds may be spent.
 */
export interface Mutant {
  readonly name: string;
  /** Below `src`. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "clients are answered before what they wrote is durable",
    file: "host/clients.ts",
    find: "if (seq === 0 && client.heldCount === 0) {",
    put: "if (client.heldCount === 0) {",
  },
  {
    name: "peers are sent what is not durable yet",
    file: "core/replica/replica.ts",
    find: 'return this.#durability === "local" ? this.index.durableTo : this.index.end;',
    put: "return this.index.end;",
  },
  {
    name: "records are applied in the order of their origin, whatever they depend on",
    file: "core/replica/record.ts",
    find: "if (!applied.covers(this.numbers[i] as number, this.seqs[i] as number)) return false;",
    put: "",
  },
  {
    name: "a record that comes twice is applied twice",
    file: "core/replica/delivery.ts",
    find: "if (seq < expected) this.duplicateCount++;",
    put: "if (seq < 0) this.duplicateCount++;",
  },
  {
    name: "a removal takes what it has not seen",
    file: "core/crdt/context.ts",
    find: "return this.deps.covers(origin, seq);",
    put: "return true;",
  },
  {
    name: "a concurrent write takes the place of the one it has not seen",
    file: "core/crdt/cell.ts",
    find: "this.siblings.push({ origin, seq, ms, tick, deadline, value });",
    put: "this.siblings = [{ origin, seq, ms, tick, deadline, value }];",
  },
  {
    name: "a counter that was removed counts on from its old sum",
    file: "core/crdt/cell.ts",
    find: "era.resetSeq >= era.start ? subtract(era.sum, era.resetSum) : era.sum",
    put: "era.sum",
  },
  {
    name: "acknowledgements count as they come",
    file: "core/replica/members.ts",
    find: "(report) => this.#hasIssued(name, report)",
    put: "() => true",
  },
  {
    name: "a member that was never heard of holds no collection up",
    file: "core/replica/members.ts",
    find: "if (counted === null || !counted.durable.covers(origin, seq)) return false;",
    put: "if (counted !== null && !counted.durable.covers(origin, seq)) return false;",
  },
  {
    name: "what removals leave behind is collected at once",
    file: "core/replica/garbage.ts",
    find: "if (item === undefined || !isStable(item.origin, item.seq)) break;",
    put: "if (item === undefined) break;",
  },
  {
    name: "a flush forgets itself",
    file: "core/keyspace/keyspace.ts",
    find: "this.flushes.push(flush);",
    put: "",
  },
  {
    name: "a restored directory goes on as the one it was copied from",
    file: "host/identity.ts",
    find: "if (saved.fingerprint !== fingerprint)",
    put: "if (saved.fingerprint === `${fingerprint}!`)",
  },
  {
    name: "an incarnation goes on after an unclean stop under relaxed",
    file: "host/identity.ts",
    find: 'if (saved.durability === "relaxed" && !saved.clean)',
    put: 'if (saved.durability === "relaxed" && saved.clean)',
  },
  {
    name: "a node goes on after its disk failed to sync",
    file: "host/node.ts",
    find: 'if (kind === "failed") {',
    put: 'if (kind === ("never" as string)) {',
  },
  {
    name: "a checkpoint is installed before the log behind it is durable",
    file: "host/checkpoint-job.ts",
    find: "await this.#host.durable(replica.index.end);",
    put: "",
  },
  {
    name: "the log is cut whoever still needs it",
    file: "core/replica/replica.ts",
    find: "if (vector.get(number) > 0 && !this.members.isEverywhere(number, vector.get(number)))",
    put: "if (vector.get(number) < 0)",
  },
  {
    name: "nothing is not covered by who never heard of the origin",
    file: "core/clock/vector.ts",
    find: "return this.get(origin) >= seq;",
    put: "return origin < this.seqs.length && this.get(origin) >= seq;",
  },
  {
    name: "peers are told the anchored time as if it were the wall clock's",
    file: "core/replica/exchange.ts",
    find: "// What a peer's wall clock is held against: the anchored time may be behind for as long as nobody confirms ours.\n      wallMs: this.#replica.run.wallMs,",
    put: "wallMs: this.#replica.nowMs,",
  },
  {
    name: "a wall clock set right is followed only if most of all members can be reached",
    file: "host/node.ts",
    find: "const peers = Math.min(this.config.members.length - 1, Math.max(1, this.#offsets.length));",
    put: "const peers = this.config.members.length - 1;",
  },
  {
    name: "a transaction's commands are records of their own",
    file: "core/commands/transactions.ts",
    find: "for (const { entry, args } of queue) call(run, entry, args, reply);",
    put: "for (const { entry, args } of queue) { call(run, entry, args, reply); run.write.commit(); }",
  },
  {
    name: "a value that loses in a hash is recorded by nobody",
    file: "core/replica/apply.ts",
    find: "if (cells.touched !== null && tag !== SET)",
    put: "if (cells.touched !== null && tag < 0)",
  },
  {
    name: "whoever wins records what lost, if anybody does",
    file: "core/replica/conflicts.ts",
    find: "if (!this.#isOurs(loser.origin)) return;\n    const conflict",
    put: "if (!this.#isOurs(winner.origin)) return;\n    const conflict",
  },
  {
    name: "of two types at once the hidden one goes unseen",
    file: "core/replica/conflicts.ts",
    find: "if (winner === null || types.length < 2) return;",
    put: "if (winner === null || types.length > 0) return;",
  },
];

/** Bugs that no run of today's length can show, and why: listed, not counted. */
export const PENDING: readonly { readonly name: string; readonly why: string }[] = [
  {
    name: "what is on its way is asked for again and again",
    why: "costs a slow wire, breaks no promise: it needs a check that counts duplicates",
  },
  {
    name: "an expired key leaves no floor",
    why: "a floor matters only once a region was away for longer than expiry's grace of ten minutes",
  },
];
