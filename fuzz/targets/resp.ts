/**
 * RESP: what a client sends, through the production path of the node: parser, dispatch, every command, replies held and sent.
 *
 *   input = u8 how the stream is cut │ one to eight commands, as arrays or inline, whole or broken
 *
 * Invariant: every command that runs writes exactly one well-formed reply, or none where CLIENT REPLY or a close says so, and behind
 * it only what the client listens to; what the client gets is these replies in order; one command's reply and what the parser
 * waits for stay within bounds.
 */
import { idlePort } from "../../src/core/commands/idle-port.ts";
import { defaultSettings, type Settings } from "../../src/core/commands/settings.ts";
import type { Session } from "../../src/core/commands/session.ts";
import { commandTable } from "../../src/core/commands/table.ts";
import { Replica } from "../../src/core/replica/replica.ts";
import type { Args } from "../../src/core/wire/args.ts";
import type { Reply } from "../../src/core/wire/reply.ts";
import { Clients } from "../../src/host/clients.ts";
import { Turn } from "../../src/host/turn.ts";
import type { Client, ClientOutput } from "../../src/host/ports/clients.ts";
import type { Chance } from "../../sim/world/chance.ts";
import { frameEnd } from "../../test/support/resp.ts";
import type { Target } from "../engine.ts";
import { must, pieces } from "../must.ts";

/** Small, so that commands that make large values meet the limit rather than the memory. */
const VALUE_BYTES_MAX = 32 * 1024;
/** One reply may hold a whole set or many copies of a value, but not more than the keyspace can. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;
/** How often the rest of a stream is offered before it counts as stuck. */
const OFFERS_MAX = 1_000;
/** Inputs a replica lives through: what they leave behind meets those that follow. */
const RENEW_EVERY = 200;

const KEYS = ["k", "k1", "k2", "k3", "s", "h", "c", "{t}a", "{t}b", "", "\0", "__proto__"];
const ODD = [
  ...[
    "0",
    "1",
    "-1",
    "2",
    "10",
    "100",
    "16",
    "1.5",
    "-0",
    "1e5",
    "+1",
    " 1",
    "01",
    "nan",
    "inf",
    "-inf",
  ],
  ...["2147483647", "2147483648", "-2147483649", "9007199254740993", "9223372036854775807"],
  ...["9223372036854775808", "-9223372036854775808", "18446744073709551616", "1e400", "0x10"],
  ...["1700000000", "1700000000000", "1700000001", "4102444800000", "4102444800"],
  ...["*", "?*", "[a-z]*", "[^", "\\", "a*a*a*a*a*a*b", "[]", "[z-a]", "k*"],
  ...["\r\n", "+OK\r\n", "$-1\r\n", "a b", '"', "'", "\xff\xfe", "\0\0", "constructor", "é"],
  ...["v", "value", "hello", "aaaa", "abcabc", "m1", "m2", "m3", "f1", "f2", "f3", ""],
];
/**
 * All but one that is slow by its purpose: it tests itself against many thousands of elements. As a word it may become an inline
 * command.
 */
const COMMANDS = commandTable.entries.filter(({ name }) => name !== "pfselftest");
const OPTIONS = wordsOf();

/** Every word in capitals that a row's usage or the tests of Redis know as an option. */
function wordsOf(): string[] {
  const words = new Set(
    (
      "EX PX EXAT PXAT NX XX GT LT GET KEEPTTL PERSIST MATCH COUNT TYPE STRING HASH SET LIMIT REPLACE DB WITHVALUES LEN IDX " +
      "WITHMATCHLEN MINMATCHLEN ON OFF SKIP YES NO ASYNC SYNC ALL WRITE ID ADDR LADDR USER SKIPME TIMEOUT ERROR AUTH SETNAME " +
      "default ann +@all -@all +@read -get +client|id ~* ~k %R~a &* &c nopass reset clearselectors (+get +set|x ~b) >pw <pw FILTERBY ACLCAT PATTERN MODULE RESETSTAT maxmemory requirepass timeout proto-max-bulk-len save appendonly ENCODING " +
      "BCAST PREFIX OPTIN OPTOUT NOLOOP REDIRECT notify-keyspace-events AnmKE FREQ IDLETIME REFCOUNT HELP BYTE BIT AND OR XOR NOT u8 i16 SAMPLES 2 3 lib-name lib-ver normal master pubsub replica " +
      "server clients memory stats replication cpu commandstats keyspace everything"
    ).split(" "),
  );
  for (const { command: row } of COMMANDS) {
    words.add(row.name);
    for (const option of (row.usage ?? "").match(/[A-Z]{2,}/g) ?? []) words.add(option);
  }
  return [...words];
}

/** Counts what must come out, and looks at each reply as it is written. */
class WatchedReplica extends Replica {
  /** Replies since `begin`, and whether some may have been taken back. */
  replies = 0;
  unsure = false;
  /** Who has begun or stopped to listen, maybe in a transaction that is yet to be carried out: that confirms each name as well. */
  readonly #confirmed = new WeakSet<Session>();

  override execute(session: Session, args: Args, reply: Reply): number {
    const from = reply.sink.length;
    const before = session.replies;
    const listened = this.listens(session);
    const hold = super.execute(session, args, reply);
    const bytes = reply.sink.length - from;
    if (session.lastCommand.endsWith("subscribe")) this.#confirmed.add(session);
    must(bytes <= REPLY_BYTES_MAX, "a reply has no bound");
    if (session.unheard) this.unsure = true;
    if (bytes === 0) {
      const quiet = before !== "on" || session.replies !== "on" || session.closing;
      must(quiet || session.waiter !== null || session.deciding, "a command got no reply");
      return hold;
    }
    const { count } = frames(Buffer.from(reply.sink.view().subarray(from)));
    must(count === 1 || listened || this.listens(session), "a command wrote other than one reply");
    this.replies += count;
    return hold;
  }

  /** Who listens is told of what it does itself as well, and each name it begins or stops to listen to is confirmed. */
  listens(session: Session): boolean {
    const { subscriptions, tracking, lastCommand } = session;
    return (
      subscriptions > 0 ||
      tracking !== null ||
      this.run.monitors.has(session) ||
      (lastCommand === "exec" && this.#confirmed.has(session)) ||
      lastCommand.endsWith("subscribe")
    );
  }
}

class Output implements ClientOutput {
  readonly address = "127.0.0.1:5000";
  readonly localAddress = "127.0.0.1:6379";
  readonly fd = -1;
  readonly queuedBytes = 0;
  written: Buffer[] = [];
  paused = false;
  closed = false;

  write(bytes: Buffer): void {
    this.written.push(Buffer.from(bytes));
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(): void {
    this.closed = true;
  }
}

/** A node without a network and with a disk that is always quick. */
class World {
  readonly settings: Settings = { ...defaultSettings, protoMaxBulkLen: VALUE_BYTES_MAX };
  readonly replica: WatchedReplica;
  readonly clients: Clients;
  nowMs = 1_700_000_000_000;
  #position = 0;

  constructor() {
    this.replica = new WatchedReplica({
      origin: { member: "here/1", incarnation: "\0\0\0\0\0\0\0\x01" },
      region: "here",
      cluster: "fuzz",
      members: ["here/1"],
      relays: false,
      durability: "local",
      keyspaces: [],
      settings: this.settings,
      node: {
        ...idlePort((bytes) => Buffer.alloc(bytes)),
        info: () => "# Server\r\n",
        closeClient: (id) => this.clients.close(id),
        changes: (session) =>
          this.replica.run.blocking.answers.push({
            session,
            bytes: session.replies === "on" ? Buffer.from("*0\r\n") : Buffer.alloc(0),
            seq: 0,
            wrote: false,
          }),
        push: (id, bytes, seq) => {
          this.replica.replies++;
          this.clients.push(id, bytes, seq);
        },
      },
      chance: [1, 2, 3],
    });
    this.clients = new Clients({
      replica: this.replica,
      settings: this.settings,
      beginTurn: () => this.replica.begin(this.nowMs, this.nowMs, this.nowMs),
      turnEnded: () => {},
      turn: new Turn(() => 0, 1),
      congested: () => false,
      clientCutOff: () => {},
    });
  }

  store(): void {
    this.clients.sendGathered();
    const block = this.replica.takeBlock();
    if (block !== null) this.replica.appended((this.#position += block.length));
    this.replica.stored(this.#position);
    this.clients.release(this.replica.durableSeq);
    this.replica.effects.length = 0;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.replica.begin(this.nowMs, this.nowMs, this.nowMs);
    this.replica.tick();
    this.replica.deliverPushes();
    this.store();
  }

  /** A client that waits waits no more. */
  wake(): void {
    const { blocking, sessions } = this.replica.run;
    for (const session of sessions.values()) blocking.unblock(session, "timeout");
    for (const { bytes } of blocking.answers) if (bytes.length > 0) this.replica.replies++;
    this.clients.answer();
  }

  /** Lets all time pass for who waits for other members, of which there are none. */
  outwait(): void {
    if (this.replica.waits.count === 0) return;
    this.replica.begin(this.nowMs, this.nowMs, Infinity);
    this.replica.waits.look();
    this.clients.answer();
    this.pass(1);
  }

  /** What one client could leave for all others is taken back. */
  calm(): void {
    const { run } = this.replica;
    run.pausedUntilMs = 0;
    run.refuseWrites = null;
    Object.assign(this.settings, defaultSettings, { protoMaxBulkLen: VALUE_BYTES_MAX });
    run.users.load("", commandTable);
  }
}

export class RespTarget implements Target {
  readonly name = "resp";
  readonly renewEvery = RENEW_EVERY;
  #world = new World();

  renew(): void {
    const { keyspace } = this.#world.replica;
    for (let db = 0; db < keyspace.databases; db++)
      must(keyspace.keys(db) >= keyspace.expiring(db), "more keys expire than there are");
    this.#world = new World();
  }

  make(chance: Chance): Buffer {
    const parts: Buffer[] = [Buffer.of(chance.below(256))];
    for (let left = 1 + chance.below(8); left > 0; left--) parts.push(command(chance));
    return Buffer.concat(parts);
  }

  take(input: Buffer): void {
    const world = this.#world;
    const output = new Output();
    world.pass(input.length % 7 === 0 ? 5_000 : 1);
    const client = world.clients.open(output);
    must(client !== null, "a client is refused");
    const { replica } = world;
    replica.replies = 0;
    replica.unsure = false;
    send(client, output, input, () => world.wake());
    replica.deliverPushes();
    world.store();
    world.outwait();
    must(!replica.unsure || output.closed, "an unheard client is still there");
    if (!replica.unsure) {
      const { count, last } = frames(Buffer.concat(output.written));
      const refused = output.closed && last.startsWith("-ERR Protocol error") ? 1 : 0;
      must(count === replica.replies + refused, "a client got more or fewer replies than commands");
    }
    client.closed();
    world.calm();
    must(world.clients.count === 0, "a client that has gone is still counted");
  }
}

/** Offers the stream in pieces as the socket adapter does: what was not consumed comes again with what follows. */
function send(client: Client, output: Output, input: Buffer, wake: () => void): void {
  let pending: Buffer = Buffer.alloc(0);
  for (const piece of pieces(input, 1, input[0] ?? 0)) {
    if (output.paused || output.closed) return;
    pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
    // As the port says: again once what is needed is there, and soon where it is there already.
    for (let offers = 0; pending.length > 0 && client.need <= pending.length; offers++) {
      must(offers < OFFERS_MAX, "bytes are left behind for ever");
      const used = client.receive(pending, 0, pending.length);
      must(used >= 0 && used <= pending.length, "more is consumed than was offered");
      pending = pending.subarray(used);
      wake();
      if (output.paused || output.closed) return;
    }
  }
}

/** How many replies there are, and how the last begins. */
function frames(bytes: Buffer): { count: number; last: string } {
  let count = 0;
  let last = "";
  for (let at = 0; at < bytes.length; count++) {
    const end = frameEnd(bytes, at);
    must(end > 0, "the last reply is cut off");
    last = bytes.latin1Slice(at, Math.min(end, at + 32));
    at = end;
  }
  return { count, last };
}

function command(chance: Chance): Buffer {
  const entry = chance.pick(COMMANDS);
  const words = entry.name.split("|");
  const { command: row } = entry;
  const least = Math.abs(row.arity) - words.length;
  const count = Math.max(
    0,
    least + (row.arity < 0 ? chance.below(6) : 0) + (chance.is(0.1) ? chance.between(-2, 3) : 0),
  );
  const [first] = row.keys;
  for (let i = 0; i < count; i++)
    words.push(i + words.length < first + 2 && chance.is(0.8) ? chance.pick(KEYS) : word(chance));
  if (chance.is(0.3)) words[0] = (words[0] as string).toUpperCase();
  return chance.is(0.12) ? inline(words, chance) : array(words, chance);
}

function word(chance: Chance): string {
  switch (chance.below(8)) {
    case 0:
    case 1:
      return chance.pick(KEYS);
    case 2:
    case 3:
      return chance.pick(OPTIONS);
    case 4:
      return String(chance.between(-5, 20));
    case 5:
      return chance.is(0.05) ? chance.pick(ODD).repeat(1 + chance.below(400)) : chance.pick(ODD);
    case 6:
      return String.fromCharCode(
        ...Array.from({ length: chance.below(6) }, () => chance.below(256)),
      );
    default:
      return chance.pick(ODD);
  }
}

function array(words: readonly string[], chance: Chance): Buffer {
  const wrong = chance.is(0.02);
  const count = wrong
    ? chance.pick(["-1", "0", "1048577", "99999999999999999999", "+1", "x", ""])
    : String(words.length);
  let text = `*${count}\r\n`;
  for (const one of words) {
    const length = chance.is(0.005)
      ? chance.pick(["-1", "16777217", "007", "", "1e3", "-2"])
      : String(one.length);
    text += `$${length}\r\n${one}\r\n`;
  }
  return Buffer.from(text, "latin1");
}

function inline(words: readonly string[], chance: Chance): Buffer {
  const quoted = words.map((one) =>
    /^[\w*?-]+$/.test(one)
      ? one
      : `"${one.replaceAll(/[^ !#-[\]-~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`,
  );
  return Buffer.from(
    quoted.join(chance.is(0.1) ? "\t " : " ") + (chance.is(0.5) ? "\r\n" : "\n"),
    "latin1",
  );
}
