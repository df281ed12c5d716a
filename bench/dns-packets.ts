/**
 * DnsPackets: what the costliest of very many packets costs the DNS server, most of them such as nobody should send.
 *
 *   node bench/dns-packets.ts [packets, 1000000] [seed, 1]
 *
 * Packets are those that the fuzzer makes and changes, against a signed zone. The time of one is that between the call and its answer; one that takes over half a
 * millisecond is timed again, a hundred times, and its fastest run counts: what stays is its own, what goes was the machine's. Exit code 1 when a packet fails, or
 * costs more than a millisecond.
 */
import { DnsTarget } from "../fuzz/targets/dns.ts";
import { mutate } from "../fuzz/mutate.ts";
import { Chance } from "../sim/world/chance.ts";

const LIMIT_MICROS = 1_000;
const SUSPECT_MICROS = 500;
const AGAIN = 100;
const WARM_UP = 20_000;

const [count = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
const chance = new Chance(seed, "dns-packets");
const target = new DnsTarget();
const counts = new Uint32Array(LIMIT_MICROS + 1);
let other = target.make(chance);
let worst = { micros: 0, hex: "" };
for (let i = 0; i < WARM_UP; i++) target.take(target.make(chance));
for (let i = 0; i < count; i++) {
  if (i % target.renewEvery === 0) target.renew();
  const made = target.make(chance);
  const input = chance.is(0.9) ? mutate(made, other, chance) : made;
  other = made;
  let micros = timed(input);
  if (micros > SUSPECT_MICROS)
    for (let again = 0; again < AGAIN; again++) micros = Math.min(micros, timed(input));
  const bucket = Math.min(LIMIT_MICROS, Math.floor(micros));
  counts[bucket] = (counts[bucket] as number) + 1;
  if (micros > worst.micros) worst = { micros, hex: input.toString("hex") };
}
const at = (share: number): number => {
  let left = count * share;
  return counts.findIndex((n) => (left -= n) < 0);
};
console.log(
  `${count} packets of seed ${seed}, none failed; µs a packet: half below ${at(0.5) + 1}, 99.9 % below ${at(0.999) + 1}, the costliest ${worst.micros.toFixed(0)}: ${worst.hex}`,
);
if (worst.micros > LIMIT_MICROS) process.exitCode = 1;

function timed(input: Buffer): number {
  const startedMs = performance.now();
  target.take(input);
  return (performance.now() - startedMs) * 1_000;
}
