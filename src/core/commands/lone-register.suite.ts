/** The register of a region that nobody else belongs to: what is agreed on holds at once. */
import { policyOf, wordsOf } from "../crdt/keyspace-words.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { begin, type Configuration, type Edit, finish } from "../strong/configuration.ts";
import { governedKeys } from "../strong/governed-keys.ts";
import { HAS_KEYS } from "../strong/register.ts";
import type { Agreeing } from "./keyspaces.ts";
import type { Run } from "./run.ts";

export class LoneRegister implements Agreeing {
  readonly #run: Run;
  #epoch = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  get configuration(): Configuration {
    return this.#run.keyspace.policies.list().map((policy) => ({
      prefix: policy.prefix,
      since: policy.since,
      fence: policy.fence,
      forced: false,
      words: wordsOf(policy),
      change: null,
    }));
  }

  differences(): string[] {
    return [];
  }

  takeOver(): void {
    throw new Error("bug: nobody else is there");
  }

  change(
    edit: Edit,
    _timeoutMs: number,
    end: (changed: { epoch: number } | { refusal: string }) => void,
  ): void {
    const epoch = ++this.#epoch;
    let outcome = begin(this.configuration, edit, epoch, { member: "", life: 0 });
    if (outcome.is === "begun") {
      const { keyspace } = this.#run;
      if (edit.words?.["format"] !== undefined || edit.words === null)
        if (hasKeys(keyspace, edit.prefix, this.#run.nowMs)) return end({ refusal: HAS_KEYS });
      outcome = finish(outcome.next, edit.prefix, epoch, epoch, true);
    }
    if (outcome.is === "refused") return end({ refusal: outcome.reason });
    const { policies } = this.#run.keyspace;
    policies.become(
      outcome.next.map(({ prefix, since, fence, forced, words }) => ({
        ...policyOf(prefix, words, policies.resolvers),
        since,
        fence,
        forced,
        frozen: false,
      })),
    );
    this.#run.changed(edit.prefix);
    end({ epoch });
  }
}

function hasKeys(keyspace: Keyspace, prefix: string, nowMs: number): boolean {
  const search = governedKeys(keyspace, null, prefix, nowMs);
  for (let step = search.next(); ; step = search.next())
    if (step.done === true) return step.value === "keys";
}
