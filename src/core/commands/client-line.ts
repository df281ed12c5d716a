/**
 * ClientLine: a client as CLIENT LIST and CLIENT INFO show it.
 *
 * Invariant: one line; every value is free of spaces, so that `name=value` pairs can be told apart.
 */
import type { Args } from "../wire/args.ts";
import { bytesOf } from "./client-limits.ts";
import { quote } from "./errors.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import type { Tracked } from "./tracking.ts";

/** The types of clients that may be asked for; ours are normal or listen to channels. */
const types = ["NORMAL", "MASTER", "REPLICA", "SLAVE", "PUBSUB"] as const;

/** Whether argument `i` is a type of client that Redis knows. */
export function isType(args: Args, i: number): boolean {
  return types.some((type) => args.is(i, type));
}

/** Whether a client is of the type in argument `i`. */
export function isOfType(session: Session, args: Args, i: number): boolean {
  return args.is(i, session.subscriptions > 0 ? "PUBSUB" : "NORMAL");
}

export const UNKNOWN_TYPE = (args: Args, i: number): string =>
  `ERR Unknown client type '${quote(args, i, 128)}'`;

/** Describes a client, without the end of the line. Replies have no buffer of a fixed size here: `omem` is all that waits. */
export function describe(run: Run, session: Session): string {
  const { queue, watched, queryBytes, queuedBytes } = session;
  const seconds = (sinceMs: number): number =>
    Math.max(0, Math.floor((run.wallMs - sinceMs) / 1000));
  return [
    `id=${session.id}`,
    `addr=${session.address}`,
    `laddr=${session.localAddress}`,
    `fd=${session.fd}`,
    `name=${session.name}`,
    `age=${seconds(session.createdMs)}`,
    `idle=${seconds(session.lastCommandMs)}`,
    `flags=${flagsOf(session, run.monitors.has(session))}`,
    `db=${session.db}`,
    `sub=${run.subscriptions.of(session, "channel").size}`,
    `psub=${run.subscriptions.of(session, "pattern").size}`,
    `ssub=${run.subscriptions.of(session, "shard").size}`,
    `multi=${queue === null ? -1 : queue.length}`,
    `qbuf=${queryBytes}`,
    "qbuf-free=0",
    `argv-mem=${queryBytes}`,
    `multi-mem=${queuedBytes}`,
    "rbs=0",
    "rbp=0",
    "obl=0",
    "oll=0",
    `omem=${session.outputBytes()}`,
    `tot-mem=${bytesOf(session)}`,
    "events=r",
    `cmd=${session.lastCommand === "" ? "NULL" : session.lastCommand}`,
    `user=${run.users.of(session).name}`,
    `redir=${session.tracking?.redirect ?? -1}`,
    `resp=${session.resp}`,
    `watch=${watched === null ? 0 : watched.size}`,
    `lib-name=${session.libraryName}`,
    `lib-ver=${session.libraryVersion}`,
  ].join(" ");
}

function trackingFlags({ broken, mode }: Tracked): string {
  return `t${broken ? "R" : ""}${mode === "broadcast" ? "B" : ""}`;
}

/** Monitoring, listening, tracking, in transaction, waiting, dirty, closing, spared from eviction, not touching; N for none of them. */
function flagsOf(session: Session, monitors: boolean): string {
  const flags =
    (monitors ? "O" : "") +
    (session.subscriptions > 0 ? "P" : "") +
    (session.tracking === null ? "" : trackingFlags(session.tracking)) +
    (session.queue === null ? "" : "x") +
    (session.waiter === null ? "" : "b") +
    (session.dirty ? "d" : "") +
    (session.closing ? "c" : "") +
    (session.noEvict ? "e" : "") +
    (session.noTouch ? "T" : "");
  return flags === "" ? "N" : flags;
}
