/** Probe: asks another region whether it is there, over the way that its clients take. */
export interface ProbeAnswer {
  /** From the question to the whole answer. */
  readonly rttMs: number;
  /** What a node says to another (`/traffic`); null from what is no node. */
  readonly body: unknown;
}

/**
 * Asks `url` (`http://host:port`, `tcp://…`, `redis://…`, `dns://host:port/name`) and rejects, with the reason in words, when no good answer comes
 * within `timeoutMs`.
 */
export type Probe = (url: string, timeoutMs: number) => Promise<ProbeAnswer>;
