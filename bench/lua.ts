/**
 * Lua: the speed of the engine beside that of Redis, for the same programs.
 *
 *   node bench/lua.ts
 *
 * Each program is run by both for about a second, in turn; Redis by EVALSHA, so its time has a round trip in it, which is
 * small beside programs of milliseconds. "short" is a small script as clients send it; without a command in it, it shows the
 * price of a call.
 */
import { Interpreter } from "../src/engines/lua/engine.ts";
import { LuaError } from "../src/engines/lua/errors.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { encodeCommand, textOf } from "../test/support/resp.ts";
import { startServer } from "../test/support/server.ts";

const PROGRAMS: Record<string, string> = {
  fib: "local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end return fib(22)",
  loop: "local s = 0 for i = 1, 300000 do s = s + i % 7 end return s",
  table:
    "local t = {} for i = 1, 20000 do t[i] = i end local s = 0 for i = 1, #t do s = s + t[i] end return s",
  fields: "local t = {a=1,b=2} for i = 1, 50000 do t.a = t.a + t.b end return t.a",
  pairs:
    "local t = {} for i = 1, 2000 do t['k' .. i] = i end local s = 0 for k, v in pairs(t) do s = s + v end return s",
  strings:
    "local t = {} for i = 1, 5000 do t[#t + 1] = string.format('%d:%s', i, 'x') end return #table.concat(t, ',')",
  patterns:
    "local n = 0 for w in string.gmatch(string.rep('key=value, ', 500), '(%w+)=%w+') do n = n + #w end return n",
  closures:
    "local function add(a) return function(b) return a + b end end local s = 0 for i = 1, 30000 do s = add(i)(s) end return s",
  sort: "local t = {} for i = 1, 3000 do t[i] = (i * 7919) % 3001 end table.sort(t) return t[1]",
  short:
    "local limit = tonumber(ARGV[1]) local used = tonumber('7') if used + 1 > limit then return {0, limit - used} end return {1, limit - used - 1}",
};
const MS = 1_000;
const PER_BATCH = 16;

await using redis = await startServer("redis");
using connection = await RespConnection.open(redis.port);
console.log("program      own/s     redis/s   share");
for (const [name, source] of Object.entries(PROGRAMS)) {
  const own = ownRate(source);
  const theirs = await redisRate(source);
  console.log(
    `${name.padEnd(10)}${own.toFixed(0).padStart(8)}${theirs.toFixed(0).padStart(12)}${(own / theirs).toFixed(2).padStart(8)}`,
  );
}

function ownRate(source: string): number {
  const lua = new Interpreter({
    memoryBytes: 256 << 20,
    stepsBetweenChecks: 100_000,
    onSteps: () => {},
  });
  const argv = lua.runtime.newTable();
  argv.set(1, "10");
  lua.globals.set("ARGV", argv);
  const chunk = lua.compile(source, "@user_script");
  if (chunk instanceof LuaError) throw chunk;
  const run = (): void => void lua.call(chunk, []);
  for (const end = performance.now() + MS / 2; performance.now() < end;) run();
  const start = performance.now();
  let runs = 0;
  while (performance.now() - start < MS) {
    for (let i = 0; i < 10; i++) run();
    runs += 10;
  }
  return (runs / (performance.now() - start)) * MS;
}

async function redisRate(source: string): Promise<number> {
  const sha = textOf(await connection.call("SCRIPT", "LOAD", source));
  if (sha === null || sha === undefined) throw new Error("the program does not load");
  const request = encodeCommand([Buffer.from("EVALSHA"), sha, Buffer.from("0"), Buffer.from("10")]);
  const batch = Buffer.concat(Array.from({ length: PER_BATCH }, () => request));
  const start = performance.now();
  let runs = 0;
  while (performance.now() - start < MS) {
    await connection.send(batch, PER_BATCH);
    runs += PER_BATCH;
  }
  return (runs / (performance.now() - start)) * MS;
}
