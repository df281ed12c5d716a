/**
 * Scripts: the commands of all other families once more, called by scripts, and what scripts make of the replies.
 *
 * Invariant: a script holds nothing that was drawn, only its arguments do; so the servers compile few scripts, and a difference is
 * one of the command's reply, of its conversion, or of a library.
 */
import { createHash } from "node:crypto";
import type { Generator, Spec } from "../generator.ts";
import { type CommandStep, exact, type Step } from "../step.ts";

const CALL = "return redis.call(unpack(ARGV))";
const PCALL = "return redis.pcall(unpack(ARGV))";
const RESP3 = "redis.setresp(3) return redis.pcall(unpack(ARGV))";
/** What of a reply a script can tell without looking into it. */
const KIND =
  "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' then return {'table', r.ok or r.err or #r} end return {type(r), tostring(r)}";
/** Several commands, each behind the number of its words. */
const SEVERAL =
  "local at, out = 1, {} while ARGV[at] do local n = tonumber(ARGV[at]) out[#out + 1] = redis.pcall(unpack(ARGV, at + 1, at + n)) at = at + n + 1 end return out";
const JSON_OF = "return cjson.encode(redis.pcall(unpack(ARGV)))";
const JSON_BACK = "return cjson.decode(cjson.encode({redis.pcall(unpack(ARGV))}))";
const PACKED = "return cmsgpack.pack(redis.pcall(unpack(ARGV)))";
const PACKED_BACK = "return {cmsgpack.unpack(cmsgpack.pack(redis.pcall(unpack(ARGV)), 1.5))}";
const STRUCTURE =
  "local r = redis.pcall(unpack(ARGV)) if type(r) ~= 'string' then return r end return {struct.unpack('>I2c0', struct.pack('>I2c0', #r, r))}";
const BITS =
  "local r = redis.pcall(unpack(ARGV)) if type(r) ~= 'number' then return r end return {bit.tobit(r), bit.bxor(r, 12345), bit.lshift(r, 3), bit.tohex(r)}";

const plain = [CALL, PCALL, RESP3, KIND, JSON_OF, JSON_BACK, PACKED, PACKED_BACK, STRUCTURE, BITS];

/** A command whose reply is the same on both servers, whatever is made of it. */
function certain(g: Generator): CommandStep {
  for (;;) {
    const [step, ...more] = g.queued(1);
    if (step?.kind !== "command" || more.length > 0 || step.args.length === 0) continue;
    if (step.expect.kind !== "exact" || step.repair !== undefined || step.settles === true)
      continue;
    return step;
  }
}

/** The words of a call: of several commands, or of one. */
function called(g: Generator): { body: string; words: Buffer[] } {
  if (g.chance.happens(0.7)) return { body: g.chance.pick(plain), words: certain(g).args };
  const words: Buffer[] = [];
  for (let left = g.chance.between(1, 4); left > 0; left--) {
    const { args } = certain(g);
    words.push(Buffer.from(String(args.length)), ...args);
  }
  return { body: SEVERAL, words };
}

export const scripts: readonly Spec[] = [
  {
    name: "EVAL",
    weight: 30,
    spoil: false,
    queueable: false,
    make: (g): Step[] => {
      const { body, words } = called(g);
      return [whole(g, ["EVAL", body, "0", ...words])];
    },
  },
  {
    name: "EVAL_RO",
    weight: 5,
    spoil: false,
    queueable: false,
    make: (g): Step[] => [
      whole(g, ["EVAL_RO", g.chance.pick([CALL, PCALL]), "0", ...certain(g).args]),
    ],
  },
  {
    name: "-LIBRARIES OF SCRIPTS",
    weight: 20,
    spoil: false,
    queueable: false,
    make: (g): Step[] => [whole(g, ["EVAL", ...ofLibrary(g)])],
  },
  {
    name: "EVALSHA",
    weight: 5,
    spoil: false,
    queueable: false,
    make: (g): Step[] => {
      const { body, words } = called(g);
      const sha = createHash("sha1").update(body).digest("hex");
      const known = g.command(["SCRIPT", "LOAD", body]);
      return [known, whole(g, ["EVALSHA", sha, "0", ...words])];
    },
  },
  {
    name: "FCALL",
    weight: 5,
    spoil: false,
    queueable: false,
    make: (g): Step[] => {
      const { body, words } = called(g);
      const code = `#!lua name=lib\nredis.register_function('f', function(KEYS, ARGV) ${body} end)`;
      const known = g.command(["FUNCTION", "LOAD", "REPLACE", code]);
      return [known, whole(g, ["FCALL", "f", "0", ...words])];
    },
  },
];

/** What a library of scripts makes of texts that it did not make itself, and what it says of those that are none of its own. */
const DECODE =
  "local ok, r = pcall(cjson.decode, ARGV[1]) if ok then return {cjson.encode(r), type(r), tostring(r == cjson.null)} end return r";
const UNPACK =
  "local all = {pcall(cmsgpack.unpack, ARGV[1])} if all[1] then return {#all, cmsgpack.pack(unpack(all))} end return all[2]";
/** Not a number has no sign here. */
const UNSTRUCTURE =
  "local all = {pcall(struct.unpack, ARGV[1], ARGV[2])} for i, v in ipairs(all) do all[i] = v ~= v and 'nan' or tostring(v) end return all";
const RESTRUCTURE =
  "local all = {pcall(struct.pack, unpack(ARGV))} all[1] = tostring(all[1]) all[3] = tostring(select(2, pcall(struct.size, ARGV[1]))) return all";
const BIT =
  "local all = {pcall(bit[ARGV[1]], unpack(ARGV, 2))} for i = 1, #all do all[i] = tostring(all[i]) end return all";

const JSON_PIECES = [
  ...[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "false",
    "nul",
    "1",
    "-0.5e3",
    "1e400",
    "0x1F",
    "01",
  ],
  ...[
    '"a"',
    '"\\u00e9"',
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\n\\x"',
    '"b',
    "nan",
    "-inf",
    "+1",
    " ",
    "\n",
    "\0",
  ],
];
const FORMATS = [
  ">",
  "<",
  "!4",
  "!",
  " ",
  "b",
  "B",
  "h",
  "H",
  "l",
  "L",
  "i3",
  "I8",
  "i16",
  "f",
  "d",
  "x",
  "s",
  "c3",
  "c0",
  "T",
  "z",
  "i33",
  "!3",
];
const BIT_OPERATIONS = [
  ...[
    "tobit",
    "bnot",
    "band",
    "bor",
    "bxor",
    "lshift",
    "rshift",
    "arshift",
    "rol",
    "ror",
    "bswap",
    "tohex",
  ],
];
const BIT_NUMBERS = [
  "0",
  "1",
  "-1",
  "31",
  "32",
  "33",
  "4294967295",
  "4294967296",
  "-2147483649",
  "1.5",
  "2.5",
  "1e15",
  "x",
  "0x10",
];

function json(g: Generator): string {
  if (g.chance.happens(0.6)) {
    const value = (depth: number): string => {
      const dice = g.chance.below(depth > 3 ? 4 : 7);
      if (dice < 4)
        return g.chance.pick([
          "1",
          "0.1",
          "-7",
          '"x\\/y"',
          "null",
          "true",
          '""',
          "12345678901234567",
        ]);
      const inside = Array.from({ length: g.chance.below(4) }, () => value(depth + 1));
      return dice < 6
        ? `[${inside.join(",")}]`
        : `{${inside.map((v, i) => `"k${i}": ${v}`).join(", ")}}`;
    };
    return value(0);
  }
  return Array.from({ length: g.chance.between(0, 8) }, () => g.chance.pick(JSON_PIECES)).join("");
}

function bytes(g: Generator, most: number): Buffer {
  return Buffer.from(
    Array.from({ length: g.chance.below(most) }, () =>
      g.chance.pick([
        0,
        1,
        0x7f,
        0x80,
        0x91,
        0x92,
        0xa1,
        0xc0,
        0xc3,
        0xca,
        0xcc,
        0xcd,
        0xd1,
        0xd2,
        0xd3,
        0xcf,
        0xd9,
        0xdc,
        0xde,
        0xe0,
        0xff,
        g.chance.below(256),
      ]),
    ),
  );
}

function isMap(byte: number): boolean {
  return (byte >= 0x80 && byte <= 0x8f) || byte === 0xde || byte === 0xdf;
}

function ofLibrary(g: Generator): (string | Buffer)[] {
  const formats = (): string =>
    Array.from({ length: g.chance.between(1, 5) }, () => g.chance.pick(FORMATS)).join("");
  switch (g.chance.below(5)) {
    case 0:
      return [DECODE, "0", Buffer.from(json(g), "latin1")];
    case 1:
      // Redis puts tables as keys in the order of their addresses, so there are no maps.
      return [UNPACK, "0", bytes(g, 24).map((byte) => (isMap(byte) ? 0xc0 : byte)) as Buffer];
    case 2:
      return [UNSTRUCTURE, "0", formats(), bytes(g, 40)];
    case 3:
      return [
        RESTRUCTURE,
        "0",
        formats(),
        ...Array.from({ length: 4 }, () =>
          g.chance.pick(["1", "-2", "300", "1e10", "0.1", "text", "-0.5"]),
        ),
      ];
    default: {
      const numbers = Array.from({ length: g.chance.below(4) }, () => g.chance.pick(BIT_NUMBERS));
      return [BIT, "0", g.chance.pick(BIT_OPERATIONS), ...numbers];
    }
  }
}

/** A line could not hold what is not text, so a script always comes as an array. */
function whole(g: Generator, words: readonly (string | Buffer)[]): CommandStep {
  return { ...g.command(words, exact), inline: false };
}
