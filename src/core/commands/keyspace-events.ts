/**
 * KeyspaceEvents: messages about what commands do to keys (`notify-keyspace-events`).
 *
 *   a command changes keys ─► touch ─► … it ends ─► settle ─► its events, by the rule of its name ─► published as any message
 *
 * Invariant: events are told where the command ran, or where a key was removed because it expired or was evicted: in one region.
 * What peers' records change is told over there. While no class is chosen nothing of this is called.
 */
import { isInternal } from "../keyspace/keyspace.ts";
import { NONE } from "../crdt/key.ts";
import { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import { BY_EVENT, BY_KEY, eventClass } from "./event-classes.ts";
import { type Changed, eventRule, type Teller } from "./event-names.ts";
import { keyName } from "../keyspace/key-name.ts";
import type { Run } from "./run.ts";

export class KeyspaceEvents implements Teller {
  readonly #run: Run;
  readonly #place = new Place();
  readonly #byName = new Map<string, Changed>();
  changed: Changed[] = [];
  noted: string[] = [];

  constructor(run: Run) {
    this.#run = run;
  }

  /** Whether the command that runs has changed a key, as far as events are wanted at all. */
  get pending(): boolean {
    return this.changed.length > 0;
  }

  /** The command that runs has changed a key; the place shows what a reader saw before. */
  touch({ db, bytes, start, end, type }: Place): void {
    if (isInternal(db)) return;
    const name = keyName(db, bytes, start, end);
    if (this.#byName.has(name)) return;
    const key = { db, key: Buffer.from(bytes.subarray(start, end)), isNew: type === NONE };
    this.#byName.set(name, key);
    this.changed.push(key);
  }

  /** The command that runs names an event of its own: its class's letter and its name. */
  note(event: string): void {
    if (this.#run.settings.notifyEvents !== 0) this.noted.push(event);
  }

  /** A reader has asked for a key that is not there. */
  miss({ db, bytes, start, end }: Place): void {
    this.#tell("mkeymiss", db, Buffer.from(bytes.subarray(start, end)));
  }

  /** The key at a place goes because it has expired or room is needed. */
  removed(event: "xexpired" | "eevicted", { db, bytes, start, end }: Place): void {
    if (this.#run.settings.notifyEvents === 0 || isInternal(db)) return;
    this.#tell(event, db, Buffer.from(bytes.subarray(start, end)));
  }

  /** The command `name` has ended: tells what it did. */
  settle(name: string, group: string, args: Args): void {
    eventRule(name, group)?.(this, args);
    this.#byName.clear();
    this.changed = [];
    this.noted = [];
  }

  changedAt(args: Args, i: number): Changed | null {
    const { db } = this.#run.session;
    const name = keyName(db, args.bytes, args.start[i] as number, args.end[i] as number);
    return this.#byName.get(name) ?? null;
  }

  isGone({ db, key }: Changed): boolean {
    const { keyspace, nowMs } = this.#run;
    keyspace.locate(this.#place, db, key, 0, key.length);
    this.#place.look(keyspace, nowMs);
    return this.#place.type === NONE;
  }

  tellIfGone(key: Changed): void {
    if (this.isGone(key)) this.tell("gdel", key);
  }

  tell(event: string, { db, key }: Changed): void {
    this.#tell(event, db, key);
  }

  #tell(event: string, db: number, key: Buffer): void {
    const { notifyEvents } = this.#run.settings;
    if ((notifyEvents & eventClass(event.charAt(0))) === 0) return;
    const name = Buffer.from(event.slice(1), "latin1");
    if ((notifyEvents & BY_KEY) !== 0)
      this.#run.publish(Buffer.concat([Buffer.from(`__keyspace@${db}__:`), key]), name);
    if ((notifyEvents & BY_EVENT) !== 0)
      this.#run.publish(Buffer.from(`__keyevent@${db}__:${event.slice(1)}`, "latin1"), key);
  }
}
