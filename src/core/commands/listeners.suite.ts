/** Several clients of one replica of its own, and what each is sent without having asked, for tests. */
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";
import { Standalone } from "./standalone.suite.ts";

/** A store that keeps what clients are pushed, one byte a character. */
export class Listeners extends Standalone {
  readonly #heard: Map<number, string>;

  constructor(settings: Partial<Settings> = {}) {
    const heard = new Map<number, string>();
    const push = (id: number, bytes: Buffer): void =>
      void heard.set(id, (heard.get(id) ?? "") + bytes.latin1Slice());
    super(settings, { push });
    this.#heard = heard;
  }

  /** Another client, which speaks RESP3 if it is told so. */
  client(resp: 2 | 3 = 2): Session {
    const session = this.connect();
    session.resp = resp;
    return session;
  }

  /** Runs a command of one client and returns its reply with what was pushed to it behind. */
  as(session: Session, ...words: (string | Buffer)[]): string {
    this.session = session;
    return this.raw(...words);
  }

  /** What a client was pushed since it was last asked for. */
  heard(session: Session): string {
    const heard = this.#heard.get(session.id) ?? "";
    this.#heard.delete(session.id);
    return heard;
  }
}
