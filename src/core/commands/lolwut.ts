/**
 * Lolwut: a drawing of an atoll, another one every time, and the version.
 *
 * Invariant: plain ASCII, so that every terminal shows it.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { REDIS_VERSION } from "./redis-version.ts";
import type { Run } from "./run.ts";

const WIDTH = 48;
const HEIGHT = 14;

/** Handler of LOLWUT. VERSION and its arguments, which choose among Redis' drawings, are taken and do not matter. */
export function lolwut(run: Run, _args: Args, reply: Reply): void {
  const lines = ["", ...drawing(run), ""];
  lines.push(`Atoll ver. ${run.settings.version}, speaking as Redis ver. ${REDIS_VERSION}`, "");
  reply.verbatim(lines.join("\n"));
}

/** A ring of reef and islands with a lagoon inside and the sea around. */
function drawing(run: Run): string[] {
  const gap = run.chance() * 2 * Math.PI;
  return Array.from({ length: HEIGHT }, (_row, y) => {
    let line = "";
    for (let x = 0; x < WIDTH; x++) {
      const across = (x - WIDTH / 2 + 0.5) / (WIDTH / 2);
      const down = (y - HEIGHT / 2 + 0.5) / (HEIGHT / 2);
      const distance = Math.hypot(across, down) + (run.chance() - 0.5) * 0.12;
      const passage = Math.cos(Math.atan2(down, across) - gap) > 0.97;
      line += glyph(run, distance, passage);
    }
    return line.trimEnd();
  });
}

function glyph(run: Run, distance: number, passage: boolean): string {
  const reef = distance > 0.62 && distance < 0.86;
  if (reef && !passage) return "oO@%&^Y*".charAt(Math.floor(run.chance() * 8));
  if (distance < 0.62) return run.chance() < 0.06 ? "." : " ";
  return run.chance() < 0.4 ? "~" : " ";
}
