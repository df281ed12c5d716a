/**
 * Known host: whether a `Host` header names this node.
 *
 * A page from anywhere may point its own name at this node's address and have the browser ask. The browser then sends that name,
 * and cannot send another. An IP address is never such a name, and `localhost` never leaves the machine.
 *
 * Invariant: a name is known only if it is configured; whatever cannot be read as a host is unknown.
 */
import { isIP } from "node:net";

/** `header` is what the request said, with or without a port; `names` are those configured, `*` for any. */
export function isKnownHost(header: string, names: readonly string[]): boolean {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d*)?$/i.exec(header)?.[1];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  const plain = /^([^\s:/@[\]]+)(?::\d*)?$/.exec(header)?.[1];
  if (plain === undefined) return false;
  const name = plain.toLowerCase().replace(/\.$/, "");
  if (isIP(name) === 4 || name === "localhost") return true;
  return names.some((known) => known === "*" || known.toLowerCase() === name);
}
