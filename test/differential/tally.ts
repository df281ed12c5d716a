/**
 * Tally: what a run covered, so that agreement means something.
 *
 * Invariant: every spec and every declared option was tried often enough, or the run has failed although nothing differed.
 */
import { commandName } from "./difference.ts";
import type { Spec } from "./generator.ts";
import type { Step } from "./step.ts";

export class Tally {
  total = 0;
  succeeded = 0;
  /** Calls by command, as `GET` or `OBJECT ENCODING`. */
  readonly commands: Map<string, number> = new Map();
  /** Uses by option, as `SET EX`. */
  readonly options: Map<string, number> = new Map();
  readonly #specs: readonly Spec[];
  readonly #names: ReadonlySet<string>;

  constructor(specs: readonly Spec[]) {
    this.#specs = specs;
    this.#names = new Set(specs.map((spec) => spec.name));
  }

  answered(step: Step, succeeded: boolean): void {
    this.total += 1;
    if (succeeded) this.succeeded += 1;
    const called =
      step.kind === "command" || step.kind === "scan" ? commandName(step.args) : "QUIT";
    const name = this.#names.has(called) ? called : "(others)";
    this.commands.set(name, (this.commands.get(name) ?? 0) + 1);
  }

  optionUsed(name: string): void {
    this.options.set(name, (this.options.get(name) ?? 0) + 1);
  }

  /** The succeeded share in percent. */
  get succeededPercent(): number {
    return this.total === 0 ? 0 : (100 * this.succeeded) / this.total;
  }

  /** Commands and options that were tried fewer than `least` times. */
  tooSeldom(least: number): { name: string; times: number }[] {
    const wanted = this.#specs
      .filter((spec) => !spec.name.startsWith("-"))
      .flatMap((spec) => [
        { name: spec.name, times: this.commands.get(spec.name) ?? 0 },
        ...(spec.options ?? []).map((option) => ({
          name: `${spec.name} ${option}`,
          times: this.options.get(`${spec.name} ${option}`) ?? 0,
        })),
      ]);
    return wanted.filter(({ times }) => times < least);
  }
}
