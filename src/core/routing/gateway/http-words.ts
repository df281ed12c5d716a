/**
 * HttpWords: what an HTTP request says about how it may be passed on: whether it may be made twice, and which of its headers go along.
 *
 * Invariant: headers that are about one connection (RFC 9110, 7.6.1) end at the gateway, in both directions; what a client claims about who
 * it is goes on with what the gateway knows behind it.
 */

/** Headers by their names in lower case. */
export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What the gateway knows of who asks. */
export interface HttpClient {
  readonly address: string;
  /** `http` or `https`. */
  readonly protocol: string;
}

const CONNECTION_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // Answered by the gateway itself.
  "expect",
  "http2-settings",
]);
/** RFC 9110, 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Whether a request that was sent and not answered may be made again: by its method, or because it names itself, so that the server knows it again. */
export function mayRepeat(method: string, headers: HttpHeaders): boolean {
  return IDEMPOTENT.has(method) || headers["idempotency-key"] !== undefined;
}

/** Whether an answer says that somebody else may be able to do it: it has not been done here. */
export function isElsewhere(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

/** The headers of a request as they go on to a region. */
export function requestHeaders(
  headers: HttpHeaders,
  { address, protocol }: HttpClient,
): Record<string, string | string[]> {
  const out = endToEnd(headers);
  const before = headers["x-forwarded-for"];
  out["x-forwarded-for"] = before === undefined ? address : `${String(before)}, ${address}`;
  out["x-forwarded-proto"] ??= protocol;
  const host = headers["host"] ?? headers[":authority"];
  if (host !== undefined) {
    out["host"] = host;
    out["x-forwarded-host"] ??= host;
  }
  const via = headers["via"];
  out["via"] = via === undefined ? "1.1 atoll" : `${String(via)}, 1.1 atoll`;
  return out;
}

/** The headers of an answer as they go back to the client: with the region that gave it. */
export function answerHeaders(
  headers: HttpHeaders,
  region: string,
): Record<string, string | string[]> {
  const out = endToEnd(headers);
  out["atoll-region"] = region;
  return out;
}

/** The value of a cookie; null without it. */
export function cookieOf(headers: HttpHeaders, name: string): string | null {
  for (const pair of String(headers["cookie"] ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return null;
}

function endToEnd(headers: HttpHeaders): Record<string, string | string[]> {
  const named = String(headers["connection"] ?? "").toLowerCase();
  const dropped = named === "" ? [] : named.split(",").map((one) => one.trim());
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    // A pseudo-header of HTTP/2.
    if (value === undefined || name.startsWith(":")) continue;
    if (!CONNECTION_HEADERS.has(name) && !dropped.includes(name)) out[name] = value;
  }
  return out;
}
