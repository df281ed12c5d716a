/**
 * A WAN link: the cable between two regions, as a TCP proxy on this machine that can be slow, and can be cut.
 *
 *     dialler ──► [listening port] ──near── forth ──far──► listener's replication port
 *             ◄──                  ──near── back  ──far──
 *
 * Invariant: a whole direction delivers every byte, late and in order. A cut one is a black hole: its bytes are neither
 * delivered nor read, sockets stay open, new connections are accepted and lead nowhere, as with a cable at the bottom of
 * the sea. Once a connection has been in a cut it is never used again: healing resets it.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Clock, type Course, WanDirection } from "./wan-direction.ts";

/** `forth` is from the dialler to the listener. */
export type Way = "forth" | "back";

/** No more is read from a sender while this much of it is on its way: as with TCP, a window bounds what a distance holds. */
const IN_FLIGHT_MAX = 32 * 1024 * 1024;

type Cable = { near: Socket; far: Socket | null; doomed: boolean };

export class WanLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { host: string; port: number };
  readonly #directions: Record<Way, WanDirection>;
  readonly #cut: Record<Way, boolean> = { forth: false, back: false };
  readonly #cables = new Set<Cable>();

  private constructor(target: { host: string; port: number }, course: Course, clock: Clock) {
    this.#target = target;
    this.#directions = {
      forth: new WanDirection(course, clock),
      back: new WanDirection(course, clock),
    };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#lay(near));
  }

  /** Opens a proxy to `target` on a free port of the loopback interface. */
  static async open(
    target: { host: string; port: number },
    course: Course,
    clock: Clock,
  ): Promise<WanLink> {
    const link = new WanLink(target, course, clock);
    await new Promise<void>((resolve, reject) => {
      link.#server.once("error", reject);
      link.#server.listen(0, "127.0.0.1", resolve);
    });
    return link;
  }

  /** Where the dialler finds it. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  course(way: Way): Course {
    return this.#directions[way].course;
  }

  setCourse(way: Way, course: Course): void {
    this.#directions[way].course = course;
  }

  isCut(way: Way): boolean {
    return this.#cut[way];
  }

  /** Cuts one direction. What was on its way there is lost. */
  cut(way: Way): void {
    this.#cut[way] = true;
    this.#directions[way].drop();
    for (const cable of this.#cables) {
      cable.doomed = true;
      (way === "forth" ? cable.near : cable.far)?.pause();
    }
  }

  /** Mends one direction; once both are whole, connections that were there during the cut are reset. */
  heal(way: Way): void {
    this.#cut[way] = false;
    if (this.#cut.forth || this.#cut.back) return;
    for (const cable of this.#cables) if (cable.doomed) this.#reset(cable);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const way of ["forth", "back"] as const) this.#directions[way].drop();
    for (const cable of this.#cables) this.#reset(cable);
    await closed;
  }

  #lay(near: Socket): void {
    const cable: Cable = { near, far: null, doomed: this.#cut.forth || this.#cut.back };
    this.#cables.add(cable);
    near.on("error", () => {}); // its close follows
    near.on("close", () => this.#lost(cable, "forth"));
    if (cable.doomed) {
      near.pause();
      return;
    }
    const far = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    cable.far = far;
    far.on("error", () => {});
    far.on("close", () => this.#lost(cable, "back"));
    this.#carry(cable, near, far, "forth");
    this.#carry(cable, far, near, "back");
  }

  /** Carries what `from` says to `to`. */
  #carry(cable: Cable, from: Socket, to: Socket, way: Way): void {
    const direction = this.#directions[way];
    let inFlight = 0;
    from.on("data", (chunk) => {
      if (this.#cut[way]) return;
      inFlight += chunk.length;
      if (inFlight >= IN_FLIGHT_MAX) from.pause();
      const taken = (): void => {
        inFlight -= chunk.length;
        if (inFlight < IN_FLIGHT_MAX && !this.#cut[way]) from.resume();
      };
      direction.offer(chunk.length, () => {
        if (!to.destroyed) to.write(chunk, taken);
      });
    });
    from.on("end", () => {
      if (!this.#cut[way]) direction.offer(0, () => to.end());
    });
  }

  /** One end is gone: the other hears of it when the news has travelled, unless the way there is cut. */
  #lost(cable: Cable, way: Way): void {
    const other = way === "forth" ? cable.far : cable.near;
    if (other === null || other.destroyed) {
      this.#cables.delete(cable);
      return;
    }
    if (this.#cut[way]) return;
    this.#directions[way].offer(0, () => reset(other));
  }

  #reset(cable: Cable): void {
    this.#cables.delete(cable);
    reset(cable.near);
    if (cable.far !== null) reset(cable.far);
  }
}

/**
 * Resets a connection. One whose sending side has ended is closed instead: libuv refuses to reset it, and Node then neither
 * closes the handle nor ends its process.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
