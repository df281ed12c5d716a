/** Record scripts: small writes whose bytes are fixed in `testdata/wire/record-runs.json`. */
import { Solo } from "./solo.suite.ts";

export interface Script {
  readonly name: string;
  /** Makes the records and returns their runs. */
  readonly run: () => Buffer;
}

const START_MS = 1_700_000_000_000;

function solo(write: (solo: Solo) => void): () => Buffer {
  return () => {
    const one = new Solo("a/1");
    one.at(START_MS);
    write(one);
    return runsOf(one);
  };
}

function runsOf(one: Solo): Buffer {
  return Buffer.concat(one.blocks.map((block) => block.subarray(1)));
}

export const scripts: readonly Script[] = [
  { name: "a string", run: solo((a) => a.write(() => a.set("key", "value"))) },
  {
    name: "a string with a deadline, in another database",
    run: solo((a) => a.write(() => a.set("key", "value", START_MS + 5_000, 3))),
  },
  {
    name: "two records in the same millisecond and one later",
    run: solo((a) => {
      a.write(() => a.set("k", "1"));
      a.write(() => a.set("k", "2"));
      a.at(START_MS + 7);
      a.write(() => a.set("k", "3"));
    }),
  },
  {
    name: "one record with several effects on one key and on another",
    run: solo((a) =>
      a.write(() => {
        a.sadd("set", "x");
        a.sadd("set", "y");
        a.hset("hash", "field", "value");
      }),
    ),
  },
  {
    name: "members and fields are removed",
    run: solo((a) => {
      a.write(() => a.sadd("set", "x"));
      a.write(() => a.srem("set", "x"));
      a.write(() => a.hset("hash", "f", "v"));
      a.write(() => a.hdel("hash", "f"));
    }),
  },
  {
    name: "a counter goes on in its era, is reset, and begins another within the same record",
    run: solo((a) => {
      a.write(() => a.count("n", 5));
      a.at(START_MS + 20);
      a.write(() => a.count("n", -7));
      a.write(() => {
        a.count("n", 1);
        a.del("n");
        a.count("n", 2);
      });
    }),
  },
  {
    name: "a field is counted and removed with its key",
    run: solo((a) => {
      a.write(() => a.hcount("h", "f", 3));
      a.write(() => a.del("h"));
    }),
  },
  {
    name: "a deadline is set and taken away",
    run: solo((a) => {
      a.write(() => a.set("k", "v"));
      a.write(() => a.expire("k", START_MS + 100));
      a.write(() => a.expire("k", 2 ** 48 - 1));
    }),
  },
  {
    name: "a key expires and is removed for good",
    run: solo((a) => {
      a.write(() => a.sadd("s", "x"));
      a.write(() => a.expire("s", START_MS + 100));
      a.at(START_MS + 200);
      a.replica.expiry.sweep(START_MS + 200, START_MS + 200, () => true);
      a.flush();
    }),
  },
  {
    name: "a database and then all of them are flushed",
    run: solo((a) => {
      a.write(() => a.flushall(0));
      a.write(() => a.flushall(-1));
    }),
  },
  {
    name: "a record that depends on another origin's, and resets what that one counted",
    run: () => {
      const [a, b] = [new Solo("a/1"), new Solo("b/1", 2)];
      a.at(START_MS);
      b.at(START_MS);
      a.write(() => a.count("n", 41));
      b.write(() => b.set("own", "1"));
      b.receive(a.blocks[0] as Buffer);
      b.write(() => b.del("n"));
      b.write(() => b.set("own", "2"));
      return runsOf(b);
    },
  },
];
