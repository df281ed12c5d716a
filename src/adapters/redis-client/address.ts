/** Address: where a server of Redis' protocol listens, and as whom one speaks to it, as a URL says it. */

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** "" for the default user, and for no password. */
  readonly user: string;
  readonly password: string;
  /** The database that the URL names; null for none. */
  readonly db: number | null;
}

const PORT = 6379;

/** `redis://[[user]:password@]host[:port][/db]`, with `rediss:` for TLS; null when it is no such URL. */
export function parseAddress(text: string): Address | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  const path = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  const known = url.protocol === "redis:" || url.protocol === "rediss:";
  if (!known || url.hostname === "" || path === undefined) return null;
  return {
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? PORT : Number(url.port),
    tls: url.protocol === "rediss:",
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    db: path === "" ? null : Number(path),
  };
}

/** For people: without the password. */
export function nameOf({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
