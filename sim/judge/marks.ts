/**
 * Marks: rare situations, counted, so that a run which never came to one says so. A net whose meshes nothing ever touched proves
 * nothing.
 *
 * Invariant: a mark is counted at most once per seed: a situation that one seed meets a thousand times is still one seed's.
 */
import { Place } from "../../src/core/keyspace/place.ts";
import type { Machine } from "../world/machine.ts";
import { locate } from "./canonical.ts";

export const MARKS = [
  "a record waited for what it depends on",
  "a record from the future waited",
  "values of two regions lay side by side",
  "two types lay under one key",
  "two deadlines lay under one key",
  "a reset waited to become stable",
  "a floor or a flush waited to become stable",
  "a key was removed because it had expired",
  "a checkpoint was installed",
  "the log was cut",
  "the log was cut at its limit",
  "a node came back from a checkpoint",
  "a tail was lost in a crash",
  "a node went on as a new incarnation",
  "a write was refused",
  "a transaction was refused because what it watched had changed",
  "a script was stopped",
  "a blocking command gave an element",
  "a client's connection was lost under it",
  "a client asked once more for what it had heard nothing of",
  "a connection could take no more",
  "a write lost against a concurrent one",
  "a damaged directory was refused",
  "a damaged checkpoint was passed over",
  "damage was found while the log was read for a peer",
  "a record came twice",
  "a key was packed until somebody asked for it",
  "a node served nothing because it lacked something",
  "a snapshot was given",
  "a copy was given in place of a long log",
  "a node started anew on a snapshot",
  "a client went on elsewhere with its token",
  "a session was refused because its replica was behind",
  "a level was not reached in time",
  "a level could not be met",
  "a read at a level had something to see",
  "an owner did something once for all regions",
  "who writes keys was changed",
  "another region took over from an owner that was away",
  "a repetition was recognized",
  "two regions did what was to be done once",
  "a command was run at another replica",
  "a command was sent to its owner once more",
  "everything was verified under load",
  "a replica was damaged in memory",
  "damage in memory was mended",
  "two disagreed and nobody could say who is right",
  "a member that was removed refused a client",
  "what a removed member had made was void",
  "what a removed member had alone was told",
  "a strong command was decided",
  "two regions wanted one strong key at once",
  "an earlier attempt at a strong key was found done",
  "nobody knew whether a strong command was done",
  "a deleted strong key was forgotten",
  "a member that may have lost what it had promised was given it anew",
  "strong keys had too many ways to be judged",
  "rights of a bounded counter were used",
  "rights of a bounded counter were asked for",
  "rights of a bounded counter moved of their own accord",
  "rights of a removed member were taken over",
  "a reader was told of changes",
  "a reader of changes went on in another region",
  "a reader of changes came too late",
] as const;

export type Mark = (typeof MARKS)[number];

const place = new Place();

export class Marks {
  readonly seen = new Set<Mark>();

  sometimes(mark: Mark): void {
    this.seen.add(mark);
  }

  /** Looks into a node, and at the keys that records have named since the last time, for what cannot be seen from outside. */
  look(machine: Machine, touched: Iterable<string>): void {
    const replica = machine.node?.replica;
    if (replica === undefined) return;
    for (const waiting of replica.delivery.waiting.values())
      this.sometimes(
        waiting.aheadMs > 0
          ? "a record from the future waited"
          : "a record waited for what it depends on",
      );
    if (replica.delivery.voidCount > 0) this.sometimes("what a removed member had made was void");
    if (replica.strong.lease.counts.taken > 0)
      this.sometimes("another region took over from an owner that was away");
    if (replica.delivery.duplicateCount > 0) this.sometimes("a record came twice");
    if (replica.keyspace.rested > 0) this.sometimes("a key was packed until somebody asked for it");
    if (replica.garbage.waitingResets > 0) this.sometimes("a reset waited to become stable");
    if (replica.garbage.waitingFloors > 0)
      this.sometimes("a floor or a flush waited to become stable");
    if (replica.exchange.snapshots.begun > 0) this.sometimes("a snapshot was given");
    for (const { givesCopy, isBehind } of replica.exchange.links.values())
      if (givesCopy && !isBehind) this.sometimes("a copy was given in place of a long log");
    const { forwards } = replica.exchange;
    if (forwards.served > 0) this.sometimes("a command was run at another replica");
    if (forwards.repeated > 0) this.sometimes("a command was sent to its owner once more");
    const { asked, moved } = replica.exchange.escrow.totals;
    if (asked > 0) this.sometimes("rights of a bounded counter were asked for");
    if (moved > 0) this.sometimes("rights of a bounded counter moved of their own accord");
    const { counts, acceptor } = replica.strong;
    if (counts.decided > 0) this.sometimes("a strong command was decided");
    if (counts.conflicts > 0) this.sometimes("two regions wanted one strong key at once");
    if (counts.found > 0) this.sometimes("an earlier attempt at a strong key was found done");
    if (counts.forgotten > 0) this.sometimes("a deleted strong key was forgotten");
    const again = [...acceptor.tenures.values()].some(({ first }) => !first);
    if (again) this.sometimes("a member that may have lost what it had promised was given it anew");
    if (replica.expiry.expired > 0) this.sometimes("a key was removed because it had expired");
    if (machine.disk.namesOf("checkpoint.").some((name) => !name.endsWith(".tmp")))
      this.sometimes("a checkpoint was installed");
    if ((machine.storage?.log.begin ?? 0) > machine.diskModel.segmentBytes)
      this.sometimes("the log was cut");
    for (const name of touched) {
      locate(place, replica.keyspace, name);
      const key = place.at < 0 ? null : place.table.objectAt(place.at);
      if (key === null) continue;
      if ((key.cell?.siblings.length ?? 0) > 1)
        this.sometimes("values of two regions lay side by side");
      if ((key.tags & (key.tags - 1)) !== 0) this.sometimes("two types lay under one key");
      if (key.deadlines.length > 1) this.sometimes("two deadlines lay under one key");
    }
  }
}
