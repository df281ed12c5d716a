/**
 * Table: every family of commands, listed in one place.
 *
 * Invariant: what is not listed here is an unknown command.
 */
import { aclCommands } from "./acl.ts";
import { bitFieldCommands } from "./bitmaps-fields.ts";
import { bitmapCommands } from "./bitmaps.ts";
import { boundedCommands } from "./bounded.ts";
import { changeCommands } from "./changes.ts";
import { clientCommands } from "./client.ts";
import { clockCommands } from "./clock.ts";
import { clusterCommands } from "./cluster.ts";
import { CommandTable } from "./command-table.ts";
import { configCommands } from "./config.ts";
import { conflictCommands } from "./conflicts.ts";
import { connectionCommands } from "./connection.ts";
import { debugCommands } from "./debug.ts";
import { dumpCommands } from "./dump.ts";
import { expiryCommands } from "./expiry.ts";
import { functionCommands } from "./functions.ts";
import { geoCommands } from "./geo.ts";
import { hashCommands } from "./hashes.ts";
import { hyperLogLogCommands } from "./hyperloglogs.ts";
import { idCommands } from "./ids.ts";
import { introspectionCommands } from "./introspection.ts";
import { jsonCommands } from "./json-commands.ts";
import { keyCommands } from "./keys.ts";
import { keyspaceCommands } from "./keyspaces.ts";
import { latencyCommands } from "./latency.ts";
import { levelCommands } from "./levels.ts";
import { memoryCommands } from "./memory.ts";
import { monitorCommands } from "./monitor.ts";
import { listCommands } from "./lists.ts";
import { pubsubCommands } from "./pubsub.ts";
import { replicationCommands } from "./replication.ts";
import { scanCommands } from "./scan.ts";
import { serverCommands } from "./server.ts";
import { sequenceCommands } from "./sequences.ts";
import { sessionCommands } from "./sessions.ts";
import { scriptCommands } from "./scripts.ts";
import { setCommands } from "./sets.ts";
import { siblingCommands } from "./siblings.ts";
import { slowLogCommands } from "./slow-log-commands.ts";
import { sortCommands } from "./sort.ts";
import { sortedSetCommands } from "./sorted-sets.ts";
import { streamCommands } from "./streams.ts";
import { stringCommands } from "./strings.ts";
import { strongCommands } from "./strong.ts";
import { transactionCommands } from "./transactions.ts";

export const commandTable: CommandTable = new CommandTable([
  connectionCommands,
  transactionCommands,
  clientCommands,
  serverCommands,
  clockCommands,
  replicationCommands,
  configCommands,
  introspectionCommands(() => commandTable),
  aclCommands(() => commandTable),
  clusterCommands,
  debugCommands,
  slowLogCommands,
  latencyCommands(() => commandTable),
  monitorCommands,
  memoryCommands,
  pubsubCommands,
  stringCommands,
  bitmapCommands,
  bitFieldCommands,
  hyperLogLogCommands,
  hashCommands,
  setCommands,
  sortedSetCommands,
  geoCommands,
  listCommands,
  streamCommands,
  jsonCommands,
  keyCommands,
  expiryCommands,
  scanCommands,
  dumpCommands,
  conflictCommands,
  changeCommands,
  siblingCommands,
  keyspaceCommands,
  levelCommands,
  idCommands,
  strongCommands,
  sequenceCommands,
  boundedCommands,
  sessionCommands,
  sortCommands(() => commandTable),
  scriptCommands(() => commandTable),
  functionCommands(() => commandTable),
]);
