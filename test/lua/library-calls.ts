/**
 * Library calls: random calls of the functions that scripts have, with arguments that mostly suit them.
 *
 * Invariant: what a call yields has the type it was drawn for, unless an argument was wrong on purpose; nothing is drawn that
 * depends on addresses, time or the amount of memory.
 */
import type { Chance } from "../differential/chance.ts";
import type { Kind } from "./programs.ts";

/** What calls are drawn from: chance, and expressions as arguments. */
interface Writer {
  readonly chance: Chance;
  expression(kind: Kind, depth: number): string;
  any(depth: number): string;
}

const PATTERNS = [
  "%a+",
  "%d*",
  "(%w+)=(%w+)",
  "l+",
  ".-",
  "[aeiou]",
  "[^%s]+",
  "^h",
  "o$",
  "%b()",
  "()l()",
  "(a)(b)?",
  "%f[%w]%w+",
  "[a-c]-b",
  "x*",
  "%%",
  "",
  "(%a)%1",
  "[%]]",
  "[]]",
  "%",
  "[a",
  "(",
  ")",
  "%b",
  "%f",
  "%1",
  ".",
  "%z",
  "[%w_]*",
  "^(.-),(.*)$",
  "%S+",
  "%p",
  "%x%x",
  "-",
  "a-",
];
const FORMATS = [
  "%d",
  "%5d",
  "%-5d|",
  "%05d",
  "%+d",
  "% d",
  "%x",
  "%X",
  "%#x",
  "%o",
  "%u",
  "%i",
  "%e",
  "%.3e",
  "%E",
]
  .concat([
    "%f",
    "%.2f",
    "%10.3f",
    "%-10.1f|",
    "%+.0f",
    "%#.0f",
    "%g",
    "%.3g",
    "%G",
    "%#g",
    "%.10g",
    "%010.2f",
    "%.0f",
  ])
  .concat([
    "%.14g",
    "%.17g",
    "%.20f",
    "%5.1f",
    "%c",
    "%5c",
    "%.3d",
    "%8.3d",
    "%.0d",
    "%99d",
    "%.99f",
  ]);
const TEXT_FORMATS = ["%s", "%10s", "%-10s|", "%.3s", "%q", "%5.1s", "%s%%"];
const WRONG_FORMATS = [
  "%",
  "%y",
  "%100d",
  "%.100f",
  "%------d",
  "%5",
  "%llx",
  "%s %s",
  "%*d",
  "%d %d",
];
const NUMERALS = [
  "10",
  "0x1f",
  "1e3",
  "  5  ",
  "5x",
  "",
  "inf",
  "nan",
  "0x",
  "1e",
  "1e+",
  ".",
  "-.5",
  "+7",
  "0x.8p1",
  "1 2",
  "- 1",
];

export function drawCall(w: Writer, kind: Kind | "values" | "statement", depth: number): string {
  const { chance } = w;
  const n = () => w.expression("number", depth);
  const s = () => w.expression("string", depth);
  const list = () => w.expression("list", depth);
  const index = () => `${chance.between(-6, 8)}`;
  const pattern = () => `"${chance.pick(PATTERNS)}"`;
  const boolean = () => w.expression("boolean", depth);
  switch (kind) {
    case "number":
      return chance.pick<() => string>([
        () => `math.floor ( ${n()} )`,
        () => `math.ceil ( ${n()} )`,
        () => `math.abs ( ${n()} )`,
        () => `math.max ( ${n()} , ${n()} )`,
        () => `math.min ( ${n()} , ${n()} , ${n()} )`,
        () => `math.fmod ( ${n()} , ${n()} )`,
        () => `math.sqrt ( math.abs ( ${n()} ) )`,
        () => `select ( 2 , math.modf ( ${n()} ) )`,
        () => `math.modf ( ${n()} )`,
        () => `math.frexp ( ${n()} )`,
        () => `math.ldexp ( ${n()} , ${index()} )`,
        () => `string.len ( ${s()} )`,
        () => `( ${s()} ) : byte ( ${index()} ) or 0`,
        () => `select ( '#' , ${w.any(depth)} , ${w.any(depth)} )`,
        () => `tonumber ( ${s()} ) or 0`,
        () => `tonumber ( "${chance.pick(NUMERALS)}" ) or -1`,
        () =>
          `tonumber ( "${chance.pick(["10", "ff", "Zz", " 7 ", "-12", "0x1F", "8", "", "9 9"])}" , ${chance.pick(["2", "8", "10", "16", "36", "1", "37"])} ) or -1`,
        () => `table.getn ( ${list()} )`,
        () => `table.maxn ( ${list()} )`,
        () => `( string.find ( ${s()} , ${pattern()} ) ) or 0`,
        () => `( string.find ( ${s()} , ${s()} , ${index()} , true ) ) or 0`,
        () => `select ( 2 , string.gsub ( ${s()} , ${pattern()} , "" ) )`,
        () => `math.random ( ${chance.between(1, 50)} )`,
        () => `math.random ( )`,
        () => `math.random ( -3 , ${chance.between(-3, 9)} )`,
        () => `math.deg ( ${n()} )`,
        () => `rawget ( ${list()} , ${index()} ) or 7`,
        () => `( next ( ${list()} ) ) or 0`,
        () => `unpack ( ${list()} ) or 0`,
      ])();
    case "string":
      return chance.pick<() => string>([
        () => `string.sub ( ${s()} , ${index()} , ${index()} )`,
        () => `( ${s()} ) : sub ( ${index()} )`,
        () => `string.upper ( ${s()} )`,
        () => `string.lower ( ${s()} )`,
        () => `string.reverse ( ${s()} )`,
        () => `string.rep ( ${s()} , ${chance.between(-1, 4)} )`,
        () => `string.char ( ${chance.between(0, 255)} , ${chance.between(60, 90)} )`,
        () => `string.format ( "${chance.pick(FORMATS)}" , ${n()} )`,
        () => `string.format ( "${chance.pick(FORMATS)}" , ${n()} )`,
        () => `string.format ( "<${chance.pick(TEXT_FORMATS)}>" , ${s()} )`,
        () => `string.format ( "${chance.pick(WRONG_FORMATS)}" , ${n()} )`,
        () => `string.format ( "%s %d" , ${s()} , ${n()} )`,
        () =>
          `( string.gsub ( ${s()} , ${pattern()} , ${chance.pick([`"<%0>"`, `"%1"`, `"x"`, `"%%"`, `"%2"`, `"%x"`])} ) )`,
        () =>
          `( string.gsub ( ${s()} , ${pattern()} , function ( a , b ) return ${chance.pick(["b", "a", "nil", `"[" .. tostring ( a ) .. "]"`, "{}", "false", "1"])} end ) )`,
        () =>
          `( string.gsub ( ${s()} , ${pattern()} , { hello = "bye" , a = 1 , b = false } , ${index()} ) )`,
        () => `tostring ( string.match ( ${s()} , ${pattern()} ) )`,
        () => `tostring ( ( string.match ( ${s()} , ${pattern()} , ${index()} ) ) )`,
        () => `table.concat ( ${list()} , ${chance.pick([`","`, `""`, "1"])} )`,
        () => `table.concat ( ${list()} , "-" , ${index()} , ${index()} )`,
        () =>
          `string.format ( "%.9g" , math.${chance.pick(["sin", "cos", "tan", "exp", "atan", "sinh", "cosh", "tanh"])} ( ${n()} ) )`,
        () =>
          `string.format ( "%.9g" , math.${chance.pick(["log", "log10"])} ( math.abs ( ${n()} ) + 1 ) )`,
        () => `string.format ( "%.9g" , math.${chance.pick(["asin", "acos"])} ( ( ${n()} ) % 1 ) )`,
        () =>
          `string.format ( "%.9g" , math.${chance.pick(["pow", "atan2"])} ( math.abs ( ${n()} ) , ${n()} ) )`,
      ])();
    case "boolean":
      return chance.pick<() => string>([
        () => `rawequal ( ${w.any(depth)} , ${w.any(depth)} )`,
        () =>
          `( pcall ( ${chance.pick(["error", "type", "tostring", "math.floor", "string.rep", "function ( ... ) return ... end"])} , ${w.any(depth)} ) )`,
        () => `string.find ( ${s()} , ${pattern()} ) ~= nil`,
        () => `next ( ${list()} ) == nil`,
      ])();
    case "values":
      return chance.pick<() => string>([
        () => `unpack ( ${list()} )`,
        () => `unpack ( ${list()} , ${index()} , ${index()} )`,
        () => `string.byte ( ${s()} , ${index()} , ${index()} )`,
        () => `string.find ( ${s()} , ${pattern()} )`,
        () => `string.match ( ${s()} , ${pattern()} )`,
        () => `select ( ${chance.pick(["1", "2", "-1", "-2", "0", "3"])} , ${n()} , ${n()} )`,
        () =>
          `pcall ( ${chance.pick(["error", "string.rep", "setmetatable", "ipairs", "next", "tonumber"])} , ${w.any(depth)} )`,
        () => `pcall ( error , ${w.any(depth)} , ${chance.between(0, 3)} )`,
        () => `pcall ( function ( ) error ( ${w.any(depth)} , ${chance.between(0, 3)} ) end )`,
        () =>
          `xpcall ( function ( ) return ${w.any(depth)} + 1 end , function ( e ) return "caught " .. tostring ( e ) end )`,
        () =>
          `loadstring ( ${chance.pick([`"return 1"`, `"return +"`, `"x = = 1"`, `"return ..."`])} )`,
      ])();
    default:
      return chance.pick<() => string>([
        () => `table.insert ( ${list()} , ${n()} )`,
        () => `table.insert ( ${list()} , ${index()} , ${n()} )`,
        () => `table.remove ( ${list()} , ${index()} )`,
        () => `table.sort ( ${list()} )`,
        () =>
          `table.sort ( ${list()} , function ( a , b ) return ${chance.pick(["a > b", "a < b", "true", "tostring ( a ) < tostring ( b )", "a", "nil"])} end )`,
        () => `if ${boolean()} then error ( ${w.any(depth)} ) end`,
        () => `assert ( ${chance.pick(["true", "true", "1", boolean()])} , ${s()} )`,
        () => `table.foreach ( ${list()} , function ( k , v ) return v end )`,
        () => `math.randomseed ( ${chance.between(0, 1000)} )`,
        () => `string.format ( "%d" , ${s()} )`,
        () =>
          `setmetatable ( ${list()} , ${chance.pick(["nil", "{ }", "{ __metatable = 1 }", "1"])} )`,
        () => `rawset ( ${list()} , ${chance.pick(["1", `"k"`, "nil", "0/0"])} , ${n()} )`,
      ])();
  }
}
