/**
 * AclUsers: the users of this node, and whether a client may do what it asks for.
 *
 *   command ─► the session's user is not limited: runs ─┐
 *                                   limited ─► denies? ─┴─► runs, or NOPERM and an entry in the log
 *
 * Invariant: there is always a user `default`, whom clients are that have not said who they are. Who is not limited pays one look a
 * command. Users are this node's alone.
 */
import type { Args } from "../wire/args.ts";
import { AclLog } from "./acl-log.ts";
import { type Denial, hasSpaces } from "./acl-selector.ts";
import { AclUser } from "./acl-user.ts";
import { describe } from "./client-line.ts";
import type { CommandEntry, CommandTable } from "./command-table.ts";
import { limitOf } from "./parameters.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";

const DEFAULT = "default";
const EVERYTHING = ["+@all", "~*", "&*", "on", "nopass"];
/** +@all and its like look nothing up. */
const NO_TABLE = null as unknown as CommandTable;

export class AclUsers {
  readonly log = new AclLog();
  readonly default: AclUser = newDefault();
  #users = new Map<string, AclUser>([[DEFAULT, this.default]]);
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.usePassword(settings.requirepass);
  }

  /** The password of the default user is this one, and no other; none if it is empty (`requirepass`). */
  usePassword(password: string): void {
    const bytes = Buffer.from(password).latin1Slice();
    this.default.apply("resetpass", NO_TABLE, false);
    this.default.apply(password === "" ? "nopass" : `>${bytes}`, NO_TABLE, false);
  }

  /** Whether clients need not say who they are. */
  get isOpen(): boolean {
    return this.default.noPass && this.default.isEnabled;
  }

  /** In the order of their names. */
  all(): AclUser[] {
    return [...this.#users.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  named(name: string): AclUser | null {
    return this.#users.get(name) ?? null;
  }

  of({ user }: Session): AclUser {
    return user ?? this.default;
  }

  /** Makes a session that user's if the password is right. */
  authenticate(run: Run, name: string, password: Uint8Array, command: string): boolean {
    const user = this.named(name);
    if (user?.admits(password) === true) {
      run.session.authenticated = true;
      run.session.user = user === this.default ? null : user;
      return true;
    }
    this.#note(run, "auth", command, name, null);
    return false;
  }

  /** Changes a user, or makes one, by rules that are all right or none is applied; returns what is wrong with them, or null. */
  set(name: string, rules: readonly string[], table: CommandTable): string | null {
    const whole = joined(rules);
    if (typeof whole === "string")
      return `ERR Unmatched parenthesis in acl selector starting at '${whole}'.`;
    const { everyChannel } = this;
    const user = this.#users.get(name) ?? new AclUser(name, everyChannel);
    const changed = user.copy();
    for (const rule of whole) {
      const wrong = changed.apply(rule, table, everyChannel);
      if (wrong !== null) return `ERR Error in ACL SETUSER modifier '${rule}': ${wrong}`;
    }
    user.become(changed);
    this.#users.set(name, user);
    return null;
  }

  /** Whether new users may use every channel. */
  get everyChannel(): boolean {
    return this.#settings.remembered["acl-pubsub-default"] === "allchannels";
  }

  /** Whether the user was there. */
  delete(name: string): boolean {
    return this.#users.delete(name);
  }

  /** The users as the lines of a file. */
  describe(table: CommandTable): string[] {
    return this.all().map((user) => `user ${user.name} ${user.describe(table)}`);
  }

  /** Replaces all users by those of a file; returns everything that is wrong with it, or null, and only then has changed something. */
  load(text: string, table: CommandTable): string | null {
    const users = new Map<string, AclUser>();
    const wrong: string[] = [];
    for (const [i, line] of text.split("\n").entries()) {
      const words = line.trim().split(" ");
      const [first, name = "", ...rules] = words;
      if (first === "") continue;
      const at = `line ${i + 1}`;
      if (first !== "user" || name === "")
        wrong.push(`${at} should start with user keyword followed by the username`);
      else if (hasSpaces(name)) wrong.push(`${at}: username '${name}' contains invalid characters`);
      else if (users.has(name)) wrong.push(`Duplicate user '${name}' found on ${at}`);
      else {
        const user = new AclUser(name, this.everyChannel);
        const whole = joined(rules);
        if (typeof whole === "string")
          wrong.push(`${at}: Unmatched parenthesis in selector definition`);
        else
          for (const rule of whole) {
            const problem = user.apply(rule.trim(), table, this.everyChannel);
            if (problem !== null)
              wrong.push(`${at}: Error in applying operation '${rule}': ${problem}`);
          }
        users.set(name, user);
      }
    }
    if (wrong.length > 0)
      return `${wrong.join(". ")}. WARNING: ACL errors detected, no change to the previously active ACL rules was performed`;
    this.default.become(users.get(DEFAULT) ?? newDefault());
    this.#users = users.set(DEFAULT, this.default);
    return null;
  }

  /**
   * Why the session's user may not run a command whose arity is right; null when it may. What is denied is noted in the log;
   * `context` null: as the session stands.
   */
  denial(
    run: Run,
    entry: CommandEntry,
    args: Args,
    context: "lua" | "multi" | null,
  ): Denial | null {
    const user = this.of(run.session);
    if (!user.isLimited) return null;
    const denial = user.denies(entry, args);
    if (denial === null) return null;
    const { kind, at } = denial;
    this.#note(run, kind, kind === "command" ? entry.name : args.text(at), user.name, context);
    return denial;
  }

  #note(
    run: Run,
    reason: "command" | "key" | "channel" | "auth",
    object: string,
    user: string,
    context: "lua" | "multi" | null,
  ): void {
    const entry = {
      reason,
      context: context ?? (run.session.queue === null ? "toplevel" : "multi"),
      object,
      user,
      client: describe(run, run.session),
      atMs: run.wallMs,
    } as const;
    this.log.add(entry, limitOf(run.settings, "acllog-max-len"));
  }
}

function newDefault(): AclUser {
  const user = new AclUser(DEFAULT, false);
  for (const rule of EVERYTHING) user.apply(rule, NO_TABLE, false);
  return user;
}

/** Rules with each selector as one, however many words it was given in; the first word of one that does not end. */
function joined(rules: readonly string[]): string[] | string {
  const whole: string[] = [];
  let open: string[] = [];
  for (const rule of rules)
    if (open.length > 0 || (rule.startsWith("(") && !rule.endsWith(")"))) {
      open.push(rule);
      if (open.length > 1 && rule.endsWith(")")) {
        whole.push(open.join(" "));
        open = [];
      }
    } else whole.push(rule);
  return open[0] ?? whole;
}
