/** HealthSettings: how soon a region is held to be down, and how late to be up again. Times in milliseconds. */
export interface HealthSettings {
  /** How often each region is probed from each, and for how long an answer is waited for. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures, with fewer than `resetAfter` successes in a row among them, after which a vantage votes for down. */
  readonly down: number;
  /** Successes in a row after which it votes for up again. */
  readonly up: number;
  readonly resetAfter: number;
  /** A region is degraded whose writes can be read elsewhere only after so long. */
  readonly tookMsMax: number;
  /** What a vantage said longer ago counts no more. */
  readonly voteTtlMs: number;
  /** So many valid vantages are needed for a verdict; fewer, and what was known last stays. */
  readonly vantagesMin: number;
  /** A vantage that holds a larger share of what it should see to be down is suspect itself. */
  readonly suspectShare: number;
  /** A region stays down for at least so long: the first time, at most, and after how long without going down again it is forgotten. */
  readonly holdMs: number;
  readonly holdMsMax: number;
  readonly holdDecayMs: number;
}

export const defaultHealth: HealthSettings = {
  intervalMs: 2_000,
  timeoutMs: 1_000,
  down: 3,
  up: 5,
  resetAfter: 5,
  tookMsMax: 5_000,
  voteTtlMs: 6_000,
  vantagesMin: 2,
  suspectShare: 0.5,
  holdMs: 30_000,
  holdMsMax: 600_000,
  holdDecayMs: 600_000,
};
