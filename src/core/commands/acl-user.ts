/**
 * AclUser: who a client may be: its passwords, and what it may do.
 *
 * Invariant: passwords are kept as their SHA-256 alone. `isLimited` is false only for who may do everything, so that for those a
 * command costs one look.
 */
import { sha256 } from "../bytes/sha256.ts";
import type { Args } from "../wire/args.ts";
import { AclSelector, type Denial, moreTelling, SYNTAX_ERROR } from "./acl-selector.ts";
import type { CommandEntry, CommandTable } from "./command-table.ts";

const NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist";
const NO_HASH =
  "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";

export class AclUser {
  readonly name: string;
  isEnabled = false;
  /** Any password will do. */
  noPass = false;
  /** As it was said last, and shown again: a payload is always checked here. */
  sanitizing: "sanitize-payload" | "skip-sanitize-payload" | null = null;
  /** Hashes in hex. */
  passwords: string[] = [];
  /** The first is the user's own. */
  selectors: AclSelector[];
  isLimited = true;

  constructor(name: string, everyChannel: boolean) {
    this.name = name;
    this.selectors = [new AclSelector(everyChannel)];
  }

  get own(): AclSelector {
    return this.selectors[0] as AclSelector;
  }

  /** Whether a command may run, and if so what it may be told of: null where it may not, else a key at a time. */
  reader(entry: CommandEntry, args: Args): ((key: Buffer | null) => boolean) | null {
    const admitting = this.selectors.filter((selector) => selector.denies(entry, args) === null);
    if (admitting.length === 0) return null;
    return (key) =>
      admitting.some((one) => (key === null ? one.readsEverything : one.mayRead(key)));
  }

  copy(): AclUser {
    const copy = new AclUser(this.name, false);
    copy.become(this);
    return copy;
  }

  /** Takes over everything but the name. */
  become(other: AclUser): void {
    this.isEnabled = other.isEnabled;
    this.noPass = other.noPass;
    this.sanitizing = other.sanitizing;
    this.passwords = [...other.passwords];
    this.selectors = other.selectors.map((selector) => selector.copy());
    this.isLimited = other.isLimited;
  }

  /** Applies one rule, of one byte a character; returns what is wrong with it, or null. `everyChannel` is what "reset" leaves. */
  apply(rule: string, table: CommandTable, everyChannel: boolean): string | null {
    const wrong = this.#apply(rule, table, everyChannel);
    this.isLimited = !this.own.isUnlimited;
    return wrong;
  }

  #apply(rule: string, table: CommandTable, everyChannel: boolean): string | null {
    switch (rule.toLowerCase()) {
      case "":
        return null;
      case "on":
      case "off":
        this.isEnabled = rule.toLowerCase() === "on";
        return null;
      case "sanitize-payload":
        this.sanitizing = "sanitize-payload";
        return null;
      case "skip-sanitize-payload":
        this.sanitizing = "skip-sanitize-payload";
        return null;
      case "nopass":
      case "resetpass":
        this.noPass = rule.toLowerCase() === "nopass";
        this.passwords = [];
        return null;
      case "clearselectors":
        this.selectors = [this.own];
        return null;
      case "reset":
        this.become(new AclUser(this.name, everyChannel));
        this.sanitizing = "sanitize-payload";
        return null;
    }
    switch (rule[0]) {
      case ">":
        return this.#addPassword(hashOf(Buffer.from(rule.slice(1), "latin1")));
      case "#":
        return this.#addPassword(rule.slice(1));
      case "<":
        return this.#removePassword(hashOf(Buffer.from(rule.slice(1), "latin1")));
      case "!":
        return this.#removePassword(rule.slice(1));
      case "(":
        return rule.endsWith(")") ? this.#addSelector(rule, table, everyChannel) : SYNTAX_ERROR;
      default:
        return this.own.apply(rule, table);
    }
  }

  #addPassword(hash: string): string | null {
    if (!isHash(hash)) return NO_HASH;
    if (!this.passwords.includes(hash)) this.passwords.push(hash);
    this.noPass = false;
    return null;
  }

  #removePassword(hash: string): string | null {
    if (!isHash(hash)) return NO_HASH;
    if (!this.passwords.includes(hash)) return NO_SUCH_PASSWORD;
    this.passwords = this.passwords.filter((other) => other !== hash);
    return null;
  }

  #addSelector(rule: string, table: CommandTable, everyChannel: boolean): string | null {
    const selector = new AclSelector(everyChannel);
    for (const word of rule.slice(1, -1).split(" ")) {
      const wrong = word === "" ? null : selector.apply(word, table);
      if (wrong !== null) return wrong;
    }
    this.selectors.push(selector);
    return null;
  }

  /** Whether a password opens the user. How long that takes tells nothing about the passwords there are. */
  admits(password: Uint8Array): boolean {
    if (!this.isEnabled) return false;
    if (this.noPass) return true;
    const hash = hashOf(password);
    let admitted = false;
    for (const other of this.passwords) if (areSame(hash, other)) admitted = true;
    return admitted;
  }

  /** Why a command whose arity is right may not run; null when it may. */
  denies(entry: CommandEntry, args: Args): Denial | null {
    let reason: Denial = { kind: "command", at: 0 };
    for (const selector of this.selectors) {
      const denial = selector.denies(entry, args);
      if (denial === null) return null;
      reason = moreTelling(reason, denial);
    }
    return reason;
  }

  /** Whether the command may run even if it reads keys that it does not name. */
  mayReadEverything(entry: CommandEntry, args: Args): boolean {
    return this.selectors.some(
      (selector) => selector.readsEverything && selector.denies(entry, args) === null,
    );
  }

  get flags(): string[] {
    return [
      this.isEnabled ? "on" : "off",
      ...(this.noPass ? ["nopass"] : []),
      ...(this.sanitizing === null ? [] : [this.sanitizing]),
    ];
  }

  /** All of it as rules that give it again. */
  describe(table: CommandTable): string {
    const [own, ...more] = this.selectors.map((selector) => selector.describe(table));
    return [
      ...this.flags,
      ...this.passwords.map((hash) => `#${hash}`),
      own,
      ...more.map((rules) => `(${rules})`),
    ].join(" ");
  }
}

function hashOf(password: Uint8Array): string {
  return sha256(password).toString("hex");
}

function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Compares without stopping at the first difference. */
function areSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
