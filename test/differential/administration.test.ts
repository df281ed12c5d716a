/**
 * What clients ask about themselves and the server, and how its misuse is refused: the answers of Redis, byte for byte.
 *
 * Invariant: no line changes what another one is answered, so the order does not matter.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { itemsOf } from "../support/resp.ts";
import { startServer, startSubject, type TestServer } from "../support/server.ts";

const lines = `
COMMAND GETKEYSANDFLAGS SMOVE a b c
COMMAND GETKEYSANDFLAGS SUNIONSTORE a b c
COMMAND GETKEYSANDFLAGS SINTERCARD 2 a b
COMMAND GETKEYSANDFLAGS SINTERCARD 3 a b
COMMAND GETKEYS SINTERCARD x a b
COMMAND GETKEYSANDFLAGS RENAME a b
COMMAND GETKEYSANDFLAGS COPY a b DB 1
COMMAND GETKEYSANDFLAGS GETEX a EX 1
COMMAND GETKEYSANDFLAGS PING
COMMAND GETKEYSANDFLAGS OBJECT FREQ k
COMMAND GETKEYS CLIENT ID
COMMAND GETKEYS CLIENT
COMMAND GETKEYS MEMORY USAGE k
COMMAND GETKEYS WATCH a b
COMMAND INFO nosuch
COMMAND LIST FILTERBY
COMMAND LIST FILTERBY MODULE x
COMMAND LIST FILTERBY ACLCAT nosuch
COMMAND DOCS nosuch
COMMAND COUNT x
COMMAND GETKEYS SINTERCARD 0 a
COMMAND GETKEYS SINTERCARD 3 a b
ACL WHOAMI
ACL WHOAMI x
ACL USERS
ACL LIST
ACL CAT
ACL CAT nosuch
ACL CAT a b
ACL NOSUCH
ACL GETUSER default
ACL GETUSER nobody
Acl Cat a b
CLIENT GETREDIR
CLIENT CACHING YES
CLIENT CACHING NO
CLIENT CACHING maybe
CLIENT TRACKINGINFO
CLIENT TRACKING OFF
CLIENT TRACKING maybe
CLIENT KILL 1.2.3.4:5
CLIENT KILL ID 9999999
CLIENT KILL ID 0
CLIENT KILL ID x
CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL LADDR 1.2.3.4:5
CLIENT KILL USER nobody
CLIENT KILL TYPE nosuch
CLIENT KILL TYPE pubsub
CLIENT KILL TYPE master
CLIENT KILL TYPE replica
CLIENT KILL SKIPME maybe
CLIENT KILL ID 9999999 SKIPME yes TYPE normal
CLIENT KILL NOSUCH 1
CLIENT KILL ID
CLIENT PAUSE x
CLIENT PAUSE -1
CLIENT PAUSE 0
CLIENT PAUSE 0 WRITE
CLIENT PAUSE 0 ALL
CLIENT PAUSE 0 nosuch
CLIENT PAUSE 0 ALL x
CLIENT UNPAUSE
CLIENT UNPAUSE x
CLIENT REPLY ON
CLIENT REPLY maybe
CLIENT LIST TYPE nosuch
CLIENT LIST TYPE pubsub
CLIENT LIST ID 9999999
CLIENT LIST ID x
CLIENT LIST ID
CLIENT LIST nosuch
CLIENT UNBLOCK 9999999
CLIENT UNBLOCK x
CLIENT UNBLOCK 1 nosuch
CLIENT UNBLOCK 1 TIMEOUT
CLIENT UNBLOCK 1 ERROR x
CLIENT NO-EVICT
CLIENT SETNAME
CLIENT GETNAME x
CLIENT ID x
client kill id x
CONFIG GET
CONFIG GET save
CONFIG GET maxclients
CONFIG GET timeout
CONFIG SET
CONFIG SET maxclients
CONFIG SET maxclients x
CONFIG SET maxclients 0
CONFIG SET maxclients 100 maxclients 100
CONFIG SET nosuch 1
CONFIG SET maxclients 10000 nosuch 1
CONFIG SET databases 5
CONFIG SET dir /
CONFIG SET save ""
CONFIG SET protected-mode maybe
CONFIG RESETSTAT
CONFIG RESETSTAT x
CONFIG REWRITE
DBSIZE x
LASTSAVE x
MEMORY USAGE nosuch
MEMORY USAGE
MEMORY USAGE k SAMPLES
MEMORY USAGE k SAMPLES x
MEMORY USAGE k SAMPLES -1
MEMORY USAGE k NOSUCH 1
MEMORY NOSUCH
MODULE LIST
MODULE LIST x
MODULE NOSUCH
LATENCY LATEST
LATENCY HISTORY x
LATENCY RESET
LATENCY RESET a b
LATENCY GRAPH x
LATENCY HISTOGRAM nosuch
LATENCY NOSUCH
LATENCY HISTORY
CLUSTER INFO
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER MYID
CLUSTER LINKS
CLUSTER COUNTKEYSINSLOT 1
CLUSTER GETKEYSINSLOT 1 1
CLUSTER NOSUCH
READONLY
READONLY x
READWRITE
ROLE x
REPLICAOF NO ONE
REPLICAOF x
SLAVEOF NO ONE
SHUTDOWN ABORT
SHUTDOWN ABORT NOW
SWAPDB 0
OBJECT FREQ
OBJECT ENCODING nosuch
OBJECT REFCOUNT nosuch
OBJECT IDLETIME nosuch
OBJECT HELP x
WAIT 0
TIME x
SAVE x
SYNC x
PSYNC a
HELLO 3 AUTH default
HELLO 3 AUTH nobody x
RESET x
AUTH
UNWATCH x
MULTI x
EXEC x
DISCARD x
WATCH
`;

/** Their items may come in any order. */
const unordered = `
COMMAND LIST FILTERBY ACLCAT transaction
COMMAND LIST FILTERBY ACLCAT list
COMMAND LIST FILTERBY PATTERN config|*
COMMAND LIST FILTERBY PATTERN h*by
ACL CAT
ACL CAT transaction
`;

let redis: TestServer;
let subject: TestServer;

before(async () => {
  redis = await startServer("redis");
  subject = await startSubject();
});

after(async () => {
  await redis[Symbol.asyncDispose]();
  await subject[Symbol.asyncDispose]();
});

for (const version of ["2", "3"]) {
  test(`what is asked about connection and server is answered as by Redis, in RESP${version}`, async () => {
    using mine = await RespConnection.open(redis.port);
    using its = await RespConnection.open(subject.port);
    await Promise.all([mine.call("HELLO", version), its.call("HELLO", version)]);
    let compared = 0;
    for (const line of linesOf(lines)) {
      const words = line.split(" ").map((word) => (word === '""' ? "" : word));
      const [theirs, own] = await Promise.all([mine.call(...words), its.call(...words)]);
      assert.equal(own.raw.latin1Slice(), theirs.raw.latin1Slice(), line);
      compared += 1;
    }
    for (const line of linesOf(unordered)) {
      const [theirs, own] = (
        await Promise.all([mine.call(...line.split(" ")), its.call(...line.split(" "))])
      ).map((reply) => ({
        type: reply.type,
        items: itemsOf(reply).map(({ raw }) => raw.latin1Slice()),
      }));
      assert.ok(theirs !== undefined && theirs.items.length > 0, line);
      assert.deepEqual(
        { ...own, items: own?.items.sort() },
        { ...theirs, items: theirs.items.sort() },
        line,
      );
      compared += 1;
    }
    assert.ok(compared > 100);
  });
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
