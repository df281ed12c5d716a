/**
 * ScriptRun: a script while it runs: what it may do, and what becomes of what it did.
 *
 *   begin ─► engine ─► call ─► call ─► … ─► replied: all of it stays, in one record with what else the command does
 *                                        └─► out of time or memory: nothing of it stays
 *
 * Invariant: a command of a script sees what those before it wrote, and nobody else sees anything before the script has ended. A
 * script that ends with an error keeps what it did before, as in Redis; one that is stopped keeps nothing.
 */
import { assert } from "../assert.ts";
import { Args } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { call } from "./call.ts";
import { type CommandEntry, type CommandTable, GROWS, WRAPS, WRITES } from "./command-table.ts";
import { debugProtocol } from "./debug-protocol.ts";
import { OOM } from "./errors.ts";
import { frozenKeyOf } from "./freezes.ts";
import type { Run } from "./run.ts";
import type { Outcome, Script, ScriptHost } from "./script-engine.ts";
import type { ScriptFlag } from "./script-flags.ts";

/** Words of calls lie one behind the other in chunks of this size, so that no two keys of a record ever have one place. */
const CHUNK_BYTES = 16 * 1024;

/** What a user may not. */
const DENIALS = {
  command: "can't run this command or subcommand",
  key: "can't access at least one of the keys mentioned in the command arguments",
  channel: "can't publish to the channel mentioned in the command",
} as const;

/** Levels of the log: what is below a notice is not written. */
const NOTICE = 2;
const WARNING = 3;

export class ScriptRun implements ScriptHost {
  readonly #run: Run;
  readonly #args = new Args();
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #used = 0;
  readonly reply = new Reply();
  name = "";
  resp: 2 | 3 = 2;
  errorCounted = false;
  /** The reply to the client, where a client that monitors itself reads. */
  outer: Reply | null = null;
  #readOnly = false;
  #allowsOom = false;
  /** Whether it has called a command that may write: then it goes through, whatever the disk and the memory say. */
  #wrote = false;
  #overMicros = Infinity;
  #table: CommandTable | null = null;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Whether a script runs. */
  get running(): boolean {
    return this.outer !== null;
  }

  /**
   * Runs a script for a client; it may call what is in `table`. `flags` are null when it says nothing about itself; `readOnly` is
   * EVAL_RO's word.
   */
  run(
    table: CommandTable,
    script: Script,
    name: string,
    flags: readonly ScriptFlag[] | null,
    readOnly: boolean,
    keys: readonly string[],
    args: readonly string[],
    reply: Reply,
  ): void {
    const against = this.#standsAgainst(flags, readOnly);
    if (against !== null) return reply.error(against);
    const run = this.#run;
    const { session } = run;
    const { db } = session;
    const wasInTransaction = run.inTransaction;
    const limitMs = run.settings.scriptTimeLimitMs;
    assert(!this.running, "a script calls no script");
    this.outer = reply;
    this.#table = table;
    this.name = name;
    this.resp = 2;
    this.#readOnly = readOnly || (flags?.includes("no-writes") ?? false);
    this.#allowsOom = flags?.includes("allow-oom") ?? false;
    this.#wrote = false;
    this.#overMicros = limitMs === 0 ? Infinity : run.node.micros() + limitMs * 1000;
    // What waits for a key would keep everybody waiting.
    run.inTransaction = true;
    const mark = reply.mark;
    const told = run.pushes.count;
    run.write.protect();
    this.errorCounted = false;
    const outcome = script.run(this, keys, args, reply);
    session.db = db;
    run.inTransaction = wasInTransaction;
    this.outer = null;
    if (outcome === "replied") {
      run.stats.errorCounted = this.errorCounted;
      return run.write.keep();
    }
    run.write.takeBack();
    run.pushes.takeBack(told);
    reply.truncate(mark);
    reply.error(stopped(outcome, limitMs, name));
  }

  /** The host of a library that registers its functions: it has time until then, and may only log. */
  loading(untilMicros: number): ScriptHost {
    this.#overMicros = untilMicros;
    return this;
  }

  #standsAgainst(flags: readonly ScriptFlag[] | null, readOnly: boolean): string | null {
    if (flags === null) return null;
    const run = this.#run;
    const writes = !flags.includes("no-writes");
    if (writes && run.refuseWrites !== null) return run.refuseWrites;
    if (writes && readOnly)
      return "ERR Can not execute a script with write flag using *_ro command.";
    if (writes && !flags.includes("allow-oom") && !run.eviction.makeRoom(false))
      return "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";
    return null;
  }

  call(words: readonly string[]): string | null {
    const args = this.#argsOf(words);
    const entry = (this.#table as CommandTable).find(args);
    const against = this.#against(entry, args);
    if (against !== null) {
      const { stats } = this.#run;
      if (entry !== null) stats.rejected(entry.index);
      stats.count(/^-(\S+)/.exec(against)?.[1] ?? "ERR");
      return against;
    }
    const { reply } = this;
    reply.sink.clear();
    reply.resp = this.resp;
    if (((entry as CommandEntry).bits & WRITES) !== 0) this.#wrote = true;
    call(this.#run, entry as CommandEntry, args, reply);
    return null;
  }

  #against(entry: CommandEntry | null, args: Args): string | null {
    const run = this.#run;
    if (entry === null) return "Unknown Redis command called from script";
    if (!entry.takes(args.count)) return "Wrong number of args calling Redis command from script";
    const { flags } = entry.command;
    const probes = run.scriptsMayProbe && entry.command.run === debugProtocol;
    if ((flags.includes("noscript") && !probes) || (entry.bits & WRAPS) !== 0)
      return "This Redis command is not allowed from script";
    const denial = run.users.denial(run, entry, args, "lua");
    if (denial !== null) return `The user executing the script ${DENIALS[denial.kind]}`;
    if (run.keyspace.policies.haveOwners) {
      const objection = run.homes.objection(entry, args);
      if (objection !== null) return `-${objection}`;
    }
    if (run.keyspace.policies.haveFrozen) {
      const reason = frozenKeyOf(run, entry, args);
      if (reason !== null) return `-${reason}`;
    }
    const writes = (entry.bits & WRITES) !== 0;
    if (this.#readOnly && (writes || entry.command.waitsWithWriters === true))
      return "Write commands are not allowed from read-only scripts.";
    if (!writes || this.#wrote) return null;
    if (run.refuseWrites !== null) return `-${run.refuseWrites}`;
    if ((entry.bits & GROWS) !== 0 && !this.#allowsOom && !run.eviction.makeRoom(false))
      return `-${OOM}`;
    return null;
  }

  #argsOf(words: readonly string[]): Args {
    let length = 0;
    for (const word of words) length += word.length;
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, length));
      this.#used = 0;
    }
    const args = this.#args;
    args.begin(this.#chunk);
    for (const word of words) {
      const start = this.#used;
      this.#used += this.#chunk.latin1Write(word, start);
      args.push(start, this.#used);
    }
    return args;
  }

  mayRun(words: readonly string[]): boolean | null {
    const args = this.#argsOf(words);
    const entry = (this.#table as CommandTable).find(args);
    if (entry === null) return null;
    const user = this.#run.users.of(this.#run.session);
    return !user.isLimited || user.denies(entry, args) === null;
  }

  log(level: number, text: string): void {
    if (level >= NOTICE) this.#run.node.log(level === WARNING ? "warning" : "notice", text);
  }

  isOver(): boolean {
    return this.#run.node.micros() > this.#overMicros;
  }
}

function stopped(outcome: Outcome, limitMs: number, name: string): string {
  const why =
    outcome === "out of time"
      ? `it ran for more than ${limitMs} ms (busy-reply-threshold)`
      : "it took more memory than a script may";
  return `ERR Script stopped: ${why}. Nothing of it was kept. script: ${name}`;
}
