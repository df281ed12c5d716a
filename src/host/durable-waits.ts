/**
 * DurableWaits: what of the node itself waits for the log to be durable up to a position.
 *
 * Invariant: nobody goes on before it is. After a failed disk nobody goes on at all.
 */
export class DurableWaits {
  readonly #waits: { readonly position: number; readonly resolve: () => void }[] = [];

  /** Resolves when `reached` is called with `position` or more. */
  until(position: number): Promise<void> {
    return new Promise((resolve) => this.#waits.push({ position, resolve }));
  }

  reached(position: number): void {
    for (let i = this.#waits.length - 1; i >= 0; i--) {
      const wait = this.#waits[i];
      if (wait === undefined || wait.position > position) continue;
      this.#waits.splice(i, 1);
      wait.resolve();
    }
  }
}
