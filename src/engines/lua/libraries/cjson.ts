/**
 * cjson: JSON as Redis offers it to scripts.
 *
 *   table with the keys 1…n   array          null   `cjson.null`, which is no nil: it can stand in a table
 *   any other, the empty one  object         number "%.14g" unless the script asks for fewer digits
 *
 * Invariant: texts, and messages about what is wrong with them, are those of lua-cjson 2.1. Options belong to the module that
 * `new` made; those of the global one last as long as the interpreter, as in Redis.
 */
import { longArgument, textArgument } from "../arguments.ts";
import { Native } from "../functions.ts";
import type { Runtime } from "../runtime.ts";
import type { LuaTable } from "../table.ts";
import type { LightUserdata, LuaValue, Results } from "../values.ts";
import { Decoder } from "./cjson-decoder.ts";
import { Encoder } from "./cjson-encoder.ts";

export interface JsonOptions {
  sparseConvert: boolean;
  sparseRatio: number;
  sparseSafe: number;
  encodeMaxDepth: number;
  decodeMaxDepth: number;
  encodeInvalid: "off" | "on" | "null";
  decodeInvalid: boolean;
  keepBuffer: boolean;
  precision: number;
}

const INT_MAX = 2 ** 31 - 1;

/** `nothing` is `cjson.null`. */
export function openCjson(runtime: Runtime, nothing: LightUserdata): LuaTable {
  const options: JsonOptions = {
    sparseConvert: false,
    sparseRatio: 2,
    sparseSafe: 10,
    encodeMaxDepth: 1000,
    decodeMaxDepth: 1000,
    encodeInvalid: "off",
    decodeInvalid: true,
    keepBuffer: true,
    precision: 14,
  };
  const one = (args: readonly LuaValue[]): void => {
    if (args.length !== 1) throw runtime.argumentError(1, "expected 1 argument");
  };
  const atMost = (args: readonly LuaValue[], count: number): void => {
    if (args.length > count) throw runtime.argumentError(count + 1, "found too many arguments");
  };
  const integer = (
    args: readonly LuaValue[],
    index: number,
    key: "sparseRatio" | "sparseSafe" | "encodeMaxDepth" | "decodeMaxDepth" | "precision",
    min: number,
    max: number,
  ): number => {
    if (args[index - 1] !== undefined) {
      const value = longArgument(runtime, args, index) | 0;
      if (value < min || value > max)
        throw runtime.argumentError(1, `expected integer between ${min} and ${max}`);
      options[key] = value;
    }
    return options[key];
  };
  const chosen = <T extends string>(args: readonly LuaValue[], words: readonly T[], now: T): T => {
    const [given] = args;
    if (given === undefined) return now;
    if (typeof given === "boolean") return words[given ? 1 : 0] as T;
    const text = textArgument(runtime, args, 1);
    const word = words.find((known) => known === text);
    if (word === undefined) throw runtime.argumentError(1, `invalid option '${text}'`);
    return word;
  };
  const ON_OFF = ["off", "on"] as const;
  const flag = (args: readonly LuaValue[], now: boolean): boolean =>
    chosen(args, ON_OFF, now ? "on" : "off") === "on";
  const functions: Record<string, (args: LuaValue[]) => Results> = {
    encode: (args) => {
      one(args);
      return new Encoder(runtime, options, nothing).encode(args[0]);
    },
    decode: (args) => {
      one(args);
      return new Decoder(runtime, options, nothing).decode(textArgument(runtime, args, 1));
    },
    encode_sparse_array: (args) => {
      atMost(args, 3);
      options.sparseConvert = flag(args, options.sparseConvert);
      const ratio = integer(args, 2, "sparseRatio", 0, INT_MAX);
      return [options.sparseConvert, ratio, integer(args, 3, "sparseSafe", 0, INT_MAX)];
    },
    encode_max_depth: (args) => {
      atMost(args, 1);
      return integer(args, 1, "encodeMaxDepth", 1, INT_MAX);
    },
    decode_max_depth: (args) => {
      atMost(args, 1);
      return integer(args, 1, "decodeMaxDepth", 1, INT_MAX);
    },
    encode_number_precision: (args) => {
      atMost(args, 1);
      return integer(args, 1, "precision", 1, 14);
    },
    encode_keep_buffer: (args) => {
      atMost(args, 1);
      return (options.keepBuffer = flag(args, options.keepBuffer));
    },
    encode_invalid_numbers: (args) => {
      atMost(args, 1);
      const word = chosen(args, ["off", "on", "null"] as const, options.encodeInvalid);
      options.encodeInvalid = word;
      return word === "null" ? word : word === "on";
    },
    decode_invalid_numbers: (args) => {
      atMost(args, 1);
      return (options.decodeInvalid = flag(args, options.decodeInvalid));
    },
    new: () => openCjson(runtime, nothing),
  };
  const table = runtime.newTable(0, 13);
  for (const [name, run] of Object.entries(functions)) table.set(name, new Native(name, run));
  table.set("null", nothing);
  table.set("_NAME", "cjson");
  table.set("_VERSION", "2.1.0");
  return table;
}
