/**
 * Ends: the two that run the same program, Redis with EVAL and the engine in this process.
 *
 *   program ─► loaded by a script that both run ─► everything it returns, or its error, as one text
 *
 * Invariant: the text shows values exactly, and the keys of tables in the order in which `next` gives them. The sign of
 * not-a-number, which JavaScript does not know, and addresses are left out.
 */
import { Interpreter } from "../../src/engines/lua/engine.ts";
import { LuaError } from "../../src/engines/lua/errors.ts";
import { toText } from "../../src/engines/lua/operations.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { encodeCommand, isError, parseReply, textOf } from "../support/resp.ts";

const HARNESS = `
local chunk, fault = loadstring(ARGV[1], '@user_script')
if not chunk then return 'does not compile: ' .. fault end
local function show(value, depth)
  local kind = type(value)
  if kind == 'string' then return string.format('%q', value) end
  if kind == 'number' then return string.format('%.17g', value) end
  if kind ~= 'table' then return kind == 'boolean' and tostring(value) or kind end
  if depth > 3 then return 'table' end
  local parts = {}
  for key, item in next, value do
    parts[#parts + 1] = show(key, depth + 1) .. '=' .. show(item, depth + 1)
  end
  return '{' .. table.concat(parts, ',') .. '}'
end
local function all(...)
  local parts = {}
  for at = 1, select('#', ...) do parts[at] = show((select(at, ...)), 0) end
  return table.concat(parts, ' ')
end
math.randomseed(1)
return all(pcall(chunk, 1, 'two'))
`;

const STEPS_MOST = 200_000;
const MEMORY_MOST = 16 << 20;

/** A program takes longer, or more memory, than any drawn one should. */
export class TooLong extends Error {}

export function runHere(program: string): string {
  let checks = 0;
  const lua = new Interpreter({
    memoryBytes: MEMORY_MOST,
    stepsBetweenChecks: STEPS_MOST / 10,
    onSteps: () => {
      if (++checks > 10) throw new TooLong("the program does not end");
    },
  });
  const { globals, runtime } = lua;
  const argv = runtime.newTable();
  argv.set(1, program);
  globals.set("ARGV", argv);
  const metatable = runtime.newTable();
  metatable.set(
    "__index",
    lua.native("__index", ([, name]) => {
      throw runtime.error(
        `Script attempted to access nonexistent global variable '${toText(name) ?? ""}'`,
      );
    }),
  );
  globals.metatable = metatable;
  for (const library of ["string", "table", "math", "coroutine"]) protect(globals.get(library));
  protect(globals);
  const chunk = lua.compile(HARNESS, "@user_script");
  if (chunk instanceof LuaError) throw chunk;
  const text = toText(lua.call(chunk, [])[0]) ?? "";
  // Redis would go on, and for long.
  if (text.includes("not enough memory")) throw new TooLong("the program takes too much memory");
  return normal(text);
}

function protect(table: unknown): void {
  (table as { readonly: boolean }).readonly = true;
}

export class Reference implements Disposable {
  readonly #connection: RespConnection;
  readonly #sha: Buffer;

  private constructor(connection: RespConnection, sha: Buffer) {
    this.#connection = connection;
    this.#sha = sha;
  }

  static async open(port: number): Promise<Reference> {
    const connection = await RespConnection.open(port);
    const sha = textOf(await connection.call("SCRIPT", "LOAD", HARNESS));
    if (sha === null || sha === undefined) throw new Error("the harness does not load");
    return new Reference(connection, sha);
  }

  async run(programs: readonly string[]): Promise<string[]> {
    const requests = programs.map((program) =>
      encodeCommand([
        Buffer.from("EVALSHA"),
        this.#sha,
        Buffer.from("0"),
        Buffer.from(program, "latin1"),
      ]),
    );
    const frames = await this.#connection.send(Buffer.concat(requests), programs.length);
    return frames.map((frame) => {
      const reply = parseReply(frame);
      if (isError(reply)) return frame.toString("latin1");
      return normal(textOf(reply)?.toString("latin1") ?? "");
    });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

function normal(text: string): string {
  return text
    .replaceAll(/-?\bnan\b/gi, "nan")
    .replaceAll(/(table|function|thread|userdata): 0x[\da-f]+/g, "$1: address");
}
