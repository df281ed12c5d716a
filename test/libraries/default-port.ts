/** Loaded in front of tests that are not ours: ioredis connects to `ATOLL_DEFAULT_PORT` where no port is named. */
import { Redis } from "ioredis";

const defaults: unknown = Reflect.get(Redis, "defaultOptions");
if (typeof defaults !== "object" || defaults === null)
  throw new Error("this version of ioredis keeps its defaults elsewhere");
Reflect.set(defaults, "port", Number(process.env["ATOLL_DEFAULT_PORT"]));
