/** What can be asked of a running lab, as it travels from `atoll lab …` to it. */
export type LabCommand =
  | { type: "cut"; regions: string[]; oneWay: boolean }
  | { type: "heal"; regions: string[] }
  | { type: "wan"; from: string; to: string; delayMs: number }
  | { type: "kill"; region: string }
  | { type: "pause"; region: string }
  | { type: "start"; region: string }
  | { type: "add"; region: string }
  | { type: "clock"; region: string; offsetMs: number }
  | { type: "status" }
  | { type: "endpoints" }
  | { type: "ping" }
  | { type: "stop" };

/** `lab status --json`. A figure that is not known, because a node cannot be asked, is null. */
export interface LabStatus {
  regions: {
    name: string;
    state: string;
    pid: number | null;
    clockOffsetMs: number;
    /** How far a node is that does not serve yet, in words. */
    progress?: string;
  }[];
  /** One entry for each direction between two regions. */
  links: {
    from: string;
    to: string;
    cut: boolean;
    delayMs: number;
    lagMs: number | null;
    lagRecords: number | null;
  }[];
}

/** The one line of `lab --json`. */
export interface LabEndpoints {
  regions: { name: string; redis: string; http: string; pid: number; dir: string }[];
  /** With `--traffic`: a DNS server for each region, the name that leads to the nearest one, and the gateway. */
  traffic?: { dns: string[]; name: string; redis: string; http: string };
}
