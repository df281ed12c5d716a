/**
 * Harm: one misfortune while it lasts, and whether anything has come of it.
 *
 * Invariant: it is felt at most once, and only by whom it changed something for. A cut that nothing was sent over, or a full disk that
 * nobody wrote to, has not happened as far as a report is concerned.
 */
export class Harm {
  readonly #onFelt: () => void;
  #isFelt = false;

  constructor(onFelt: () => void) {
    this.#onFelt = onFelt;
  }

  felt(): void {
    if (this.#isFelt) return;
    this.#isFelt = true;
    this.#onFelt();
  }
}

/** What weighs upon one thing: a wire, a disk, a clock. */
export class Harms {
  readonly #all = new Set<Harm>();

  add(harm: Harm): void {
    this.#all.add(harm);
  }

  delete(harm: Harm): void {
    this.#all.delete(harm);
  }

  clear(): void {
    this.#all.clear();
  }

  felt(): void {
    if (this.#all.size > 0) for (const harm of this.#all) harm.felt();
  }
}
