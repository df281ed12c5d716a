/**
 * Client limits: when a client costs more memory than it may: replies that it does not read (`client-output-buffer-limit`), or a
 * part of what all clients together hold (`maxmemory-clients`).
 *
 * Invariant: bytes count from the moment they are owed to a client, held for the disk or not, also if the network would take them at
 * once; so a single reply beyond the hard limit ends its connection, as in Redis.
 */
import { isWrong, readInteger, readMemory, type Wrong } from "./parameter-kinds.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";

/** 0 for no bound. */
export interface OutputLimit {
  readonly hardBytes: number;
  /** May be exceeded for `softSeconds`, no longer. */
  readonly softBytes: number;
  readonly softSeconds: number;
}

/** By the class of client. `slave` is taken and shown: no client is one here. */
export type OutputLimits = Readonly<Record<"normal" | "slave" | "pubsub", OutputLimit>>;

const MIB = 1024 ** 2;
const WORDS_A_CLASS = 4;
/** What a watched key, a prefix or a subscription takes, about. */
const ENTRY_BYTES = 100;

export const DEFAULT_OUTPUT_LIMITS: OutputLimits = {
  normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
  slave: { hardBytes: 256 * MIB, softBytes: 64 * MIB, softSeconds: 60 },
  pubsub: { hardBytes: 32 * MIB, softBytes: 8 * MIB, softSeconds: 60 },
};

/** The limits as CONFIG SET takes them; classes that are not named stay as they are. */
export function readOutputLimits(value: string, now: OutputLimits): OutputLimits | Wrong {
  const words = value.trim().split(/\s+/);
  if (words.length % WORDS_A_CLASS !== 0)
    return { wrong: "Wrong number of arguments in buffer limit configuration." };
  const limits = { ...now };
  for (let at = 0; at < words.length; at += WORDS_A_CLASS) {
    const [name = "", hard = "", soft = "", seconds = ""] = words.slice(at, at + WORDS_A_CLASS);
    const kind = kindNamed(name.toLowerCase());
    if (kind === null)
      return { wrong: "Invalid client class specified in buffer limit configuration." };
    const hardBytes = readMemory(hard, 0, Number.MAX_SAFE_INTEGER);
    const softBytes = readMemory(soft, 0, Number.MAX_SAFE_INTEGER);
    if (isWrong(hardBytes) || isWrong(softBytes) || !/^\d{1,15}$/.test(seconds))
      return {
        wrong: "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
      };
    limits[kind] = { hardBytes, softBytes, softSeconds: Number(seconds) };
  }
  return limits;
}

function kindNamed(name: string): keyof OutputLimits | null {
  if (name === "replica") return "slave";
  return name === "normal" || name === "slave" || name === "pubsub" ? name : null;
}

/** The limits as CONFIG GET shows them. */
export function outputLimitsText(limits: OutputLimits): string {
  return Object.entries(limits)
    .map(
      ([kind, { hardBytes, softBytes, softSeconds }]) =>
        `${kind} ${hardBytes} ${softBytes} ${softSeconds}`,
    )
    .join(" ");
}

/**
 * Why a client to whom `owedBytes` are owed must be cut off, or null. Called whenever that grows and every second; notes in the session
 * since when the soft limit is exceeded.
 */
export function outputExcess(
  { outputLimits }: Settings,
  session: Session,
  owedBytes: number,
  nowMs: number,
): string | null {
  const kind = session.subscriptions > 0 ? "pubsub" : "normal";
  const { hardBytes, softBytes, softSeconds } = outputLimits[kind];
  if (hardBytes > 0 && owedBytes >= hardBytes)
    return `${owedBytes} bytes of replies wait for it, the hard limit for ${kind} clients is ${hardBytes}`;
  if (softBytes === 0 || owedBytes < softBytes) {
    session.softLimitSinceMs = null;
    return null;
  }
  session.softLimitSinceMs ??= nowMs;
  if (nowMs - session.softLimitSinceMs <= softSeconds * 1000) return null;
  return `${owedBytes} bytes of replies wait for it, for ${softSeconds} s more than the ${softBytes} that are the soft limit for ${kind} clients`;
}

/** What all clients together may hold: so many bytes, or a share of `maxmemory`; 0 for no bound. */
export type ClientsMemory = number | { readonly percent: number };

/** Reads it as CONFIG SET takes it. */
export function readClientsMemory(value: string): ClientsMemory | Wrong {
  if (!value.endsWith("%")) return readMemory(value, 0, Number.MAX_SAFE_INTEGER);
  const percent = readInteger(value.slice(0, -1), 0, 2 ** 31 - 1);
  if (isWrong(percent)) return { wrong: "argument must be a memory or percent value" };
  if (percent > 100) return { wrong: "percentage argument must be less or equal to 100" };
  return { percent };
}

/** Shows it as CONFIG GET does. */
export function clientsMemoryText(memory: ClientsMemory): string {
  return typeof memory === "number" ? String(memory) : `${memory.percent}%`;
}

/** What all clients together may hold now, in bytes; 0 for no bound. */
export function clientsMaxBytes({ maxMemoryClients, maxMemoryBytes }: Settings): number {
  if (typeof maxMemoryClients === "number") return maxMemoryClients;
  return Math.floor((maxMemoryBytes * maxMemoryClients.percent) / 100);
}

/** What a client holds, in bytes: requests, queued commands, watched keys, prefixes, subscriptions, and what is owed to it. */
export function bytesOf(session: Session): number {
  const { queryBytes, queuedBytes, watched, subscriptions, tracking } = session;
  const entries = (watched?.size ?? 0) + (tracking?.prefixes.size ?? 0) + subscriptions;
  return queryBytes + queuedBytes + entries * ENTRY_BYTES + session.outputBytes();
}

/** What clients hold together. */
export function clientsBytes(sessions: Iterable<Session>): number {
  let total = 0;
  for (const session of sessions) total += bytesOf(session);
  return total;
}

/** Those of `sessions` that must go so that the rest holds no more than `maxBytes`: the largest first, none that is spared. */
export function clientsToEvict(sessions: Iterable<Session>, maxBytes: number): Session[] {
  const victims: Session[] = [];
  const sized: { session: Session; bytes: number }[] = [];
  let total = 0;
  for (const session of sessions) {
    const bytes = bytesOf(session);
    total += bytes;
    if (!session.noEvict) sized.push({ session, bytes });
  }
  if (total <= maxBytes) return victims;
  sized.sort((a, b) => b.bytes - a.bytes);
  for (const { session, bytes } of sized) {
    if (total <= maxBytes) break;
    victims.push(session);
    total -= bytes;
  }
  return victims;
}
