/**
 * Errors: the refusals that several commands share, in Redis' own words.
 *
 * Invariant: each begins with its code, and names nothing that a client sent without cutting it to a length.
 */
import type { Denial } from "./acl-selector.ts";
import type { Args } from "../wire/args.ts";

export const WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
/** The refusal of what would copy, replace, rename, remove or expire a bounded counter. */
export const BOUNDED_STAYS =
  "WRONGTYPE the key holds a bounded counter, which AA.BOUND alone changes";
export const SYNTAX = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";
export const NOT_POSITIVE = "ERR value is out of range, must be positive";
export const INDEX_OUT_OF_RANGE = "ERR index out of range";
export const NOT_A_FLOAT = "ERR value is not a valid float";
export const NO_SUCH_KEY = "ERR no such key";
export const OVERFLOW = "ERR increment or decrement would overflow";
export const TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
export const NOAUTH = "NOAUTH Authentication required.";
export const WRONGPASS = "WRONGPASS invalid username-password pair or user is disabled.";
export const OOM = "OOM command not allowed when used memory > 'maxmemory'.";
export const CLUSTER_DISABLED = "ERR This instance has cluster support disabled";

/** As much of a client's words as an error repeats. */
const QUOTE_MAX_BYTES = 128;

/** The refusal of a command on the consumer group in argument `i`, of the stream in the argument before, when one of them is missing. */
export function noSuchGroup(args: Args, i: number): string {
  const key = quote(args, i - 1, QUOTE_MAX_BYTES);
  return `NOGROUP No such key '${key}' or consumer group '${quote(args, i, QUOTE_MAX_BYTES)}'`;
}

/** The same for XREADGROUP, whose stream is in argument `key` and whose group in argument `group`. */
export function noSuchGroupToRead(args: Args, key: number, group: number): string {
  const name = quote(args, group, QUOTE_MAX_BYTES);
  const of = quote(args, key, QUOTE_MAX_BYTES);
  return `NOGROUP No such key '${of}' or consumer group '${name}' in XREADGROUP with GROUP option`;
}

/** The same when the stream is there. */
export function noSuchGroupOf(args: Args, i: number): string {
  const key = quote(args, i - 1, QUOTE_MAX_BYTES);
  return `NOGROUP No such consumer group '${quote(args, i, QUOTE_MAX_BYTES)}' for key name '${key}'`;
}

/** The refusal of a command, by its full name, that its client's user may not run. */
export function noPermission({ kind }: Denial, name: string): string {
  if (kind === "command") return `NOPERM this user has no permissions to run the '${name}' command`;
  return `NOPERM this user has no permissions to access one of the ${kind}s used as arguments`;
}

/** The refusal of a command, by its full name such as `client|setname`, that has too few or too many arguments. */
export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** The refusal of a command that nobody knows. */
export function unknownCommand(args: Args): string {
  let others = "";
  for (let i = 1; i < args.count && others.length < QUOTE_MAX_BYTES; i++)
    others += `'${quote(args, i, QUOTE_MAX_BYTES - others.length)}' `;
  const name = quote(args, 0, QUOTE_MAX_BYTES);
  return `ERR unknown command '${name}', with args beginning with: ${others}`;
}

/** The refusal of the subcommand in argument 1 that the command in argument 0 does not have. */
export function unknownSubcommand(args: Args): string {
  const container = quote(args, 0, QUOTE_MAX_BYTES).toUpperCase();
  return `ERR unknown subcommand '${quote(args, 1, QUOTE_MAX_BYTES)}'. Try ${container} HELP.`;
}

/** The refusal of a subcommand, in argument 1, whose arguments are too many in a way that its arity cannot say. */
export function wrongUse(args: Args): string {
  const container = quote(args, 0, QUOTE_MAX_BYTES).toUpperCase();
  const name = quote(args, 1, QUOTE_MAX_BYTES);
  return `ERR unknown subcommand or wrong number of arguments for '${name}'. Try ${container} HELP.`;
}

/** Argument `i` for an error: cut at `max` bytes or the first zero, each end of a line a space. */
export function quote(args: Args, i: number, max: number): string {
  const from = args.start[i] as number;
  const text = args.bytes.latin1Slice(from, Math.min(args.end[i] as number, from + max));
  const zero = text.indexOf("\0");
  return (zero < 0 ? text : text.slice(0, zero)).replaceAll(/[\r\n]/g, " ");
}

/** What a member may not be able to read that was not upgraded yet. */
export function notReadByAll(what: string): string {
  return `ERR not every member is known to run a version with ${what}: atoll_cluster_version in INFO says what all can read, /status whom it waits for`;
}
