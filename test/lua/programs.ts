/**
 * Programs: random Lua of a seed.
 *
 * Expressions are drawn for the type that is needed, so that most programs run to their end; now and then one of another type
 * is put in, or a finished program is damaged, so that errors of every kind come up too.
 *
 * Invariant: a program ends. Loops have small constant bounds, functions call only those defined before them, and damage
 * makes no number larger.
 */
import type { Chance } from "../differential/chance.ts";
import { drawCall } from "./library-calls.ts";

export type Kind = "number" | "string" | "boolean" | "list" | "record" | "any";

interface Name {
  name: string;
  kind: Kind | "function" | "object";
}

/** How often a value of the wrong type is drawn on purpose. */
const WRONG = 0.015;
const NUMBERS =
  "0 1 2 3 5 7 10 16 -1 -2 -7 0.5 1.5 -0.25 3.75 0.1 100 255 256 1e3 123456 2147483647 4294967296 1e15 1e14 123456789012345 1e100 0x10 0xff 1e-5 .5 3.".split(
    " ",
  );
const STRINGS = [
  `""`,
  `"a"`,
  `'abc'`,
  `"hello world"`,
  `"10"`,
  `" 0x1F "`,
  `"1e2"`,
  `"-3.5"`,
  `"a,b;c"`,
  `"key=value, k2=v2"`,
  `"A\\tB\\n"`,
  `"\\0zero\\255"`,
  `[[long
string]]`,
  `[==[with ]] inside]==]`,
  `"x.y*z"`,
  `"(nested (parens))"`,
];
const FIELDS = ["a", "b", "c", "name", "value", "n"];

export class ProgramWriter {
  readonly #chance: Chance;
  #names: Name[] = [];
  #count = 0;
  #inLoop = 0;
  #varargs = true;
  /** Statements left to draw, over all. */
  #budget: number;

  constructor(chance: Chance) {
    this.#chance = chance;
    this.#budget = chance.between(1, 14);
  }

  program(): string {
    const statements = this.#block(3);
    const results = this.#many(1, 4, () => this.any(2));
    return spaced(this.#chance, `${statements} return ${results}`);
  }

  /** A program for its messages about syntax. */
  damaged(): string {
    const chance = this.#chance;
    const tokens = this.program().match(/"[^"]*"|'[^']*'|[\w.]+|\s+|[^\w\s]/g) ?? [];
    for (let times = chance.between(1, 2); times > 0; times--) {
      const at = chance.below(Math.max(1, tokens.length));
      switch (chance.below(4)) {
        case 0:
          tokens.splice(at, 1);
          break;
        case 1:
          tokens.splice(at, 0, ` ${chance.pick(DAMAGE)} `);
          break;
        case 2:
          tokens[at] = ` ${chance.pick(DAMAGE)} `;
          break;
        default:
          tokens.splice(at, tokens.length);
      }
    }
    return tokens.join("");
  }

  get chance(): Chance {
    return this.#chance;
  }

  any(depth: number): string {
    return this.expression(
      this.#chance.pick(["number", "number", "string", "string", "boolean", "list", "record"]),
      depth,
    );
  }

  expression(kind: Kind, depth: number): string {
    if (this.#chance.happens(WRONG)) return this.#wrong();
    if (this.#chance.happens(0.3)) {
      const known = this.#names.filter((name) => name.kind === kind);
      if (known.length > 0) return this.#chance.pick(known).name;
    }
    switch (kind) {
      case "number":
        return this.#number(depth);
      case "string":
        return this.#string(depth);
      case "boolean":
        return this.#boolean(depth);
      case "list":
        return this.#list(depth);
      case "record":
        return this.#record(depth);
      default:
        return this.any(depth);
    }
  }

  #wrong(): string {
    const chance = this.#chance;
    const name = this.#names.length > 0 ? chance.pick(this.#names).name : "nothing";
    return chance.pick(
      [
        "nil",
        "true",
        "{}",
        `"text"`,
        "undefinedName",
        "function() end",
        name,
        `${name}.x`,
        `${name}[1]`,
        `${name}:m()`,
        `${name}()`,
        "print",
        "string",
        "...",
      ].slice(0, this.#varargs ? 14 : 13),
    );
  }

  #number(depth: number): string {
    const chance = this.#chance;
    if (depth <= 0) return chance.pick(NUMBERS);
    const next = () => this.expression("number", depth - 1);
    switch (chance.below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return `${next()} ${chance.pick(["+", "-", "*", "/", "%", "^", "+", "-", "*"])} ${next()}`;
      case 4:
        return `( ${next()} )`;
      case 5:
        return `- ${next()}`;
      case 6:
        return `# ${this.#atom("list", depth - 1)}`;
      case 7:
        return `# ${this.#atom("string", depth - 1)}`;
      case 8:
        return `${this.#prefix("list", depth - 1)} [ ${chance.between(1, 3)} ] or ${next()}`;
      case 9:
        return drawCall(this, "number", depth - 1);
      case 10:
        return `${this.expression("boolean", depth - 1)} and ${next()} or ${next()}`;
      case 11:
        return `"${chance.between(-5, 20)}" + ${next()}`;
      case 12:
        return this.#callOwn(depth) ?? next();
      default:
        return chance.pick(NUMBERS);
    }
  }

  #string(depth: number): string {
    const chance = this.#chance;
    if (depth <= 0) return chance.pick(STRINGS);
    const next = () => this.expression("string", depth - 1);
    switch (chance.below(8)) {
      case 0:
      case 1:
        return `${next()} .. ${next()}`;
      case 2:
        return `${next()} .. ( ${this.expression("number", depth - 1)} ) .. ${next()}`;
      case 3:
      case 4:
        return drawCall(this, "string", depth - 1);
      case 5:
        return `tostring ( ${this.expression(chance.pick(["number", "boolean"]), depth - 1)} )`;
      case 6:
        return `type ( ${this.any(depth - 1)} )`;
      default:
        return chance.pick(STRINGS);
    }
  }

  #boolean(depth: number): string {
    const chance = this.#chance;
    if (depth <= 0) return chance.pick(["true", "false"]);
    const both = (kind: Kind, operators: string[]) =>
      `${this.expression(kind, depth - 1)} ${chance.pick(operators)} ${this.expression(kind, depth - 1)}`;
    switch (chance.below(6)) {
      case 0:
        return both("number", ["<", "<=", ">", ">=", "==", "~="]);
      case 1:
        return both("string", ["<", "<=", ">", ">=", "==", "~="]);
      case 2:
        return `not ${this.any(depth - 1)}`;
      case 3:
        return both("boolean", ["and", "or", "==", "~="]);
      case 4:
        return `${this.any(depth - 1)} ${chance.pick(["==", "~="])} ${this.any(depth - 1)}`;
      default:
        return drawCall(this, "boolean", depth - 1);
    }
  }

  #list(depth: number): string {
    if (depth <= 0) return "{ 1 , 2 , 3 }";
    const items = this.#many(0, 6, () => this.expression("number", depth - 1));
    const chance = this.#chance;
    switch (chance.below(8)) {
      case 0:
        return `{ ${items === "" ? "0" : items} ; [ ${chance.between(-1, 8)} ] = ${this.expression("number", depth - 1)} }`;
      case 1:
        return `{ ${drawCall(this, "values", depth - 1)} }`;
      case 2:
        return `{ ${items} , nil , ${items} }`.replace("{  ,", "{ 0 ,").replace(",  }", "}");
      default:
        return `{ ${items} }`;
    }
  }

  #record(depth: number): string {
    const chance = this.#chance;
    const field = () => {
      const value = depth <= 0 ? chance.pick(NUMBERS) : this.any(depth - 1);
      switch (chance.below(4)) {
        case 0:
          return `[ ${chance.pick(STRINGS)} ] = ${value}`;
        case 1:
          return `[ ${chance.pick(NUMBERS)} ] = ${value}`;
        default:
          return `${chance.pick(FIELDS)} = ${value}`;
      }
    };
    return `{ ${this.#many(0, 7, field)} }`;
  }

  #callOwn(depth: number): string | undefined {
    const own = this.#names.filter(({ kind }) => kind === "function");
    if (own.length === 0) return undefined;
    const { name } = this.#chance.pick(own);
    return `${name} ( ${this.#many(0, 3, () => this.expression("number", depth - 1))} )`;
  }

  /** What may stand before an index, a call or an operator that binds strongly. */
  #prefix(kind: Kind, depth: number): string {
    return `( ${this.expression(kind, depth)} )`;
  }

  #atom(kind: Kind, depth: number): string {
    return `( ${this.expression(kind, depth)} )`;
  }

  #many(least: number, most: number, draw: () => string): string {
    return Array.from({ length: this.#chance.between(least, most) }, draw).join(" , ");
  }

  #fresh(kind: Name["kind"]): string {
    const reused = this.#names.filter((name) => name.kind === kind);
    if (reused.length > 0 && this.#chance.happens(0.1)) return this.#chance.pick(reused).name;
    return `v${this.#count++}`;
  }

  #block(depth: number): string {
    const outer = [...this.#names];
    const statements: string[] = [];
    const most = this.#chance.between(1, 6);
    while (this.#budget > 0 && statements.length < most) {
      this.#budget--;
      statements.push(this.#statement(depth));
    }
    const text = statements.join(this.#chance.happens(0.2) ? " ; " : " ");
    if (depth < 3) this.#names = outer;
    return text;
  }

  #statement(depth: number): string {
    const chance = this.#chance;
    const simple = depth <= 0;
    switch (chance.below(simple ? 8 : 17)) {
      case 0:
      case 1:
      case 2:
        return this.#local();
      case 3:
      case 4:
        return this.#assignment();
      case 5:
        return this.#fieldAssignment();
      case 6:
        return drawCall(this, "statement", 1);
      case 7:
        return this.#inLoop > 0 && chance.happens(0.3)
          ? `if ${this.expression("boolean", 1)} then break end`
          : this.#multiple();
      case 8:
        return `if ${this.expression("boolean", 2)} then ${this.#block(depth - 1)} ${
          chance.happens(0.4)
            ? `elseif ${this.expression("boolean", 1)} then ${this.#block(depth - 1)}`
            : ""
        } ${chance.happens(0.5) ? `else ${this.#block(depth - 1)}` : ""} end`;
      case 9:
        return this.#numericFor(depth);
      case 10:
        return this.#genericFor(depth);
      case 11: {
        const name = `w${this.#count++}`;
        const body = this.#loopBody(depth);
        return chance.happens(0.5)
          ? `local ${name} = 0 while ${name} < ${chance.between(1, 4)} do ${name} = ${name} + 1 ${body} end`
          : `local ${name} = 0 repeat ${name} = ${name} + 1 local up = ${name} ${body} until up >= ${chance.between(1, 4)}`;
      }
      case 12:
      case 13:
        return this.#function(depth);
      case 14:
        return `do ${this.#block(depth - 1)} end`;
      case 15:
        return this.#object(depth);
      default:
        return this.#coroutine(depth);
    }
  }

  #local(): string {
    const kind = this.#chance.pick(["number", "string", "boolean", "list", "record"] as const);
    const value = this.expression(kind, 3);
    const name = this.#fresh(kind);
    this.#names.push({ name, kind });
    return `local ${name} = ${value}`;
  }

  #assignment(): string {
    const variables = this.#names.filter(({ kind }) => kind !== "function" && kind !== "object");
    if (variables.length === 0) return this.#local();
    const { name, kind } = this.#chance.pick(variables);
    return `${name} = ${this.expression(kind as Kind, 3)}`;
  }

  #multiple(): string {
    const chance = this.#chance;
    const variables = this.#names.filter(({ kind }) => kind === "number");
    if (variables.length < 2) {
      const [a, b] = [this.#fresh("number"), this.#fresh("string")];
      const text = `local ${a} , ${b} = ${this.expression("number", 2)} , ${this.expression("string", 2)}`;
      this.#names.push({ name: a, kind: "number" }, { name: b, kind: "string" });
      return text;
    }
    const [a, b] = [chance.pick(variables).name, chance.pick(variables).name];
    return `${a} , ${b} = ${this.expression("number", 1)} , ${this.expression("number", 1)}`;
  }

  #fieldAssignment(): string {
    const chance = this.#chance;
    const lists = this.#names.filter(({ kind }) => kind === "list");
    const records = this.#names.filter(({ kind }) => kind === "record");
    if (records.length > 0 && (lists.length === 0 || chance.happens(0.5))) {
      const { name } = chance.pick(records);
      return chance.happens(0.5)
        ? `${name} . ${chance.pick(FIELDS)} = ${chance.happens(0.2) ? "nil" : this.any(2)}`
        : `${name} [ ${this.expression(chance.pick(["string", "number"]), 1)} ] = ${this.any(2)}`;
    }
    if (lists.length === 0) return this.#local();
    const { name } = chance.pick(lists);
    return chance.happens(0.5)
      ? `${name} [ # ${name} + 1 ] = ${this.expression("number", 2)}`
      : `${name} [ ${chance.between(0, 9)} ] = ${chance.happens(0.2) ? "nil" : this.expression("number", 2)}`;
  }

  #loopBody(depth: number): string {
    this.#inLoop++;
    const body = this.#block(depth - 1);
    this.#inLoop--;
    return body;
  }

  #scoped(names: Name[], draw: () => string): string {
    const outer = [...this.#names];
    this.#names.push(...names);
    const text = draw();
    this.#names = outer;
    return text;
  }

  #numericFor(depth: number): string {
    const chance = this.#chance;
    const name = `i${this.#count++}`;
    const [from, to] = [chance.between(-2, 4), chance.between(-2, 6)];
    const step = chance.pick(["", "", "", " , 2", " , -1", " , 0.5", " , 1"]);
    const limit = chance.happens(0.03) ? chance.pick([`"${to}"`, "nil", "{}", `"x"`]) : `${to}`;
    const body = this.#scoped([{ name, kind: "number" }], () => this.#loopBody(depth));
    return `for ${name} = ${from} , ${limit}${step} do ${body} end`;
  }

  #genericFor(depth: number): string {
    const chance = this.#chance;
    const [k, v] = [`k${this.#count++}`, `k${this.#count++}`];
    const lists = chance.happens(0.5);
    const source = lists
      ? `ipairs ( { unpack ( ${this.expression("list", 2)} ) } )`
      : chance.pick([
          `pairs ( ${this.expression("record", 2)} )`,
          `pairs ( { unpack ( ${this.expression("list", 2)} ) } )`,
          `next , ${this.expression("record", 2)}`,
          `string.gmatch ( ${this.expression("string", 1)} , "%w+" )`,
        ]);
    const names: Name[] = lists
      ? [
          { name: k, kind: "number" },
          { name: v, kind: "number" },
        ]
      : [{ name: k, kind: "any" }];
    const body = this.#scoped(names, () => this.#loopBody(depth));
    const shown = this.#names.filter(({ kind }) => kind === "list").at(-1);
    const note =
      shown === undefined || lists
        ? ""
        : `${shown.name} [ # ${shown.name} + 1 ] = tostring ( ${k} )`;
    return `for ${k} , ${v} in ${source} do ${note} ${body} end`;
  }

  #function(depth: number): string {
    const chance = this.#chance;
    const name = `f${this.#count++}`;
    const parameters = Array.from({ length: chance.below(3) }, (_, at) => `p${at}`);
    const varargs = chance.happens(0.3);
    const known: Name[] = parameters.map((parameter) => ({ name: parameter, kind: "number" }));
    const outerVarargs = this.#varargs;
    const outerLoop = this.#inLoop;
    this.#varargs = varargs;
    this.#inLoop = 0;
    const defaults = parameters.map((one) => `${one} = tonumber ( ${one} ) or 1`).join(" ");
    const body = this.#scoped(known, () => {
      const inner = this.#block(depth - 1);
      const result = varargs
        ? chance.pick([`select ( '#' , ... )`, "(...)", "..."])
        : this.expression("number", 2);
      return `${inner} return ${chance.happens(0.2) ? `tostring ( ${result} ) + 0` : result}`;
    });
    this.#varargs = outerVarargs;
    this.#inLoop = outerLoop;
    this.#names.push({ name, kind: "function" });
    const list = [...parameters, ...(varargs ? ["..."] : [])].join(" , ");
    return `local function ${name} ( ${list} ) ${defaults} ${body} end`;
  }

  #object(depth: number): string {
    const chance = this.#chance;
    const name = `o${this.#count++}`;
    const handlers = chance
      .shuffled([
        `__index = function ( t , k ) return ${chance.pick(["k", "nil", `"no " .. tostring ( k )`])} end`,
        `__newindex = function ( t , k , v ) rawset ( t , k , v ) end`,
        `__call = function ( self , ... ) return select ( '#' , ... ) , ... end`,
        `__add = function ( a , b ) return ${this.#scoped([], () => this.expression("number", 1))} end`,
        `__concat = function ( a , b ) return type ( a ) .. type ( b ) end`,
        `__eq = function ( a , b ) return true end`,
        `__lt = function ( a , b ) return ${chance.pick(["true", "false", "nil", "1"])} end`,
        `__le = function ( a , b ) return false end`,
        `__unm = function ( a ) return ${chance.between(-3, 3)} end`,
        `__tostring = function ( ) return "object" end`,
        `__metatable = "locked"`,
        `__index = { a = 1 , b = { 2 } }`,
        `__len = function ( ) return 42 end`,
      ])
      .slice(0, chance.between(1, 6))
      .join(" , ");
    const use = chance.pick([
      `${name} + 1`,
      `1 - ${name}`,
      `${name} .. "x"`,
      `"x" .. 1 .. ${name}`,
      `${name} < ${name}`,
      `${name} <= ${name}`,
      `${name} == { }`,
      `- ${name}`,
      `# ${name}`,
      `tostring ( ${name} )`,
      `${name} ( 1 , 2 )`,
      `${name}.a`,
      `${name}.b.c`,
      `${name} : m ( )`,
      `getmetatable ( ${name} )`,
      `${name} > 1`,
    ]);
    const result = `r${this.#count++}`;
    this.#names.push({ name: result, kind: "any" });
    const guarded = chance.happens(0.7)
      ? `local ${result} = select ( 2 , pcall ( function ( ) return ${use} end ) )`
      : `local ${result} = ${use}`;
    void depth;
    return `local ${name} = setmetatable ( ${this.expression("record", 1)} , { ${handlers} } ) ${guarded}`;
  }

  #coroutine(depth: number): string {
    const chance = this.#chance;
    const name = `co${this.#count++}`;
    const outerVarargs = this.#varargs;
    const outerLoop = this.#inLoop;
    this.#varargs = false;
    this.#inLoop = 0;
    const body = this.#scoped([{ name: "a", kind: "any" }], () => {
      const parts = Array.from({ length: chance.between(1, 3) }, () =>
        chance.pick([
          `a = coroutine.yield ( ${this.expression("number", 1)} , a )`,
          `local t = { coroutine.yield ( ) , ( coroutine.yield ( 1 ) ) , n = coroutine.yield ( 2 ) }`,
          `for i = 1 , 2 do coroutine.yield ( i ) end`,
          `pcall ( coroutine.yield , 1 )`,
          `a = ( tonumber ( coroutine.yield ( "n" ) ) or 1 ) + ${this.expression("number", 1)}`,
          `if coroutine.yield ( true ) then ${this.#block(depth - 1)} end`,
          `local s = "x" .. tostring ( coroutine.yield ( ) ) .. "y" coroutine.yield ( s )`,
          this.#block(depth - 1),
        ]),
      );
      return parts.join(" ");
    });
    this.#varargs = outerVarargs;
    this.#inLoop = outerLoop;
    const log = `l${this.#count++}`;
    this.#names.push({ name: log, kind: "record" });
    return (
      `local ${name} = coroutine.create ( function ( a ) ${body} return a , "end" end ) local ${log} = { } ` +
      `for i = 1 , ${chance.between(1, 6)} do ${log} [ i ] = { coroutine.resume ( ${name} , i ) } ` +
      `${log} [ -i ] = coroutine.status ( ${name} ) end`
    );
  }
}

const DAMAGE =
  "end then do else elseif ( ) { } [ ] = == ~= .. ... . : , ; + - * / ^ % # and or not nil true function local return break for in if while until repeat x 3 1.5 'str' \" ' [[ ]] -- --[[ @ ! $ 3x 0x \\".split(
    " ",
  );

/** Single spaces become line ends now and then, so that lines mean something. */
function spaced(chance: Chance, text: string): string {
  if (chance.happens(0.4)) return text;
  const share = chance.pick([0.02, 0.1, 0.5]);
  return text.replaceAll(STRING_OR_SPACE, (match) =>
    match === " " && chance.happens(share) ? "\n" : match,
  );
}

/** A parenthesis on a new line would be an ambiguous call. */
const STRING_OR_SPACE = /"(?:[^"\\]|\\.)*"|\[\[[^]*?\]\]|\[==\[[^]*?\]==\]|'[^']*'| (?!\()/g;
