/**
 * Sandbox: while a simulation runs, whoever asks this process for time or chance is stopped with an error.
 *
 * Invariant: everything is as it was afterwards, also after a failure.
 */
const { performance } = globalThis;

type Holder = Record<string, unknown>;

const FORBIDDEN: readonly (readonly [object, string])[] = [
  [Date, "now"],
  [Math, "random"],
  [performance, "now"],
  [globalThis, "setTimeout"],
  [globalThis, "setInterval"],
  [globalThis, "setImmediate"],
  [globalThis.crypto, "randomUUID"],
  [globalThis.crypto, "getRandomValues"],
];

/** Runs `work` where there is no time and no chance but the simulation's. */
export async function sandboxed<T>(work: () => Promise<T>): Promise<T> {
  const RealDate = Date;
  const kept = FORBIDDEN.map(([holder, name]) => Object.getOwnPropertyDescriptor(holder, name));
  for (const [holder, name] of FORBIDDEN)
    Object.defineProperty(holder, name, {
      configurable: true,
      writable: true,
      value: () => {
        throw new Error(`${name} was asked for in a simulation`);
      },
    });
  globalThis.Date = new Proxy(RealDate, {
    construct(target, args: unknown[]) {
      if (args.length === 0) throw new Error("the date was asked for in a simulation");
      return Reflect.construct(target, args) as Date;
    },
  });
  try {
    return await work();
  } finally {
    globalThis.Date = RealDate;
    FORBIDDEN.forEach(([holder, name], i) => {
      const descriptor = kept[i];
      if (descriptor === undefined) delete (holder as Holder)[name];
      else Object.defineProperty(holder, name, descriptor);
    });
  }
}
