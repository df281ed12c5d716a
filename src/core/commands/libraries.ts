/**
 * Libraries: the functions that clients may call by name, in every region.
 *
 *   FUNCTION LOAD ─► a register of `LIBRARIES_DB`: its name, its code ─► record ─► every region's keyspace
 *   FCALL ─► has a library changed since? ─► loaded anew from its code ─► the function
 *
 * Invariant: what can be called is a function of the libraries' code in the keyspace. Of a library that two regions loaded at once
 * the last writer's is called, and the conflict feed has the other. Of two libraries that register one name, which only different
 * regions can bring about, the one whose own name comes first has it, everywhere.
 */
import { NONE } from "../crdt/key.ts";
import { LIBRARIES_DB } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import type { Run } from "./run.ts";
import type { LibraryFunction } from "./script-engine.ts";
import { SCRIPT_FLAGS, type ScriptFlag, shebangOf } from "./script-flags.ts";
import { NO_ENGINE } from "./scripts.ts";

const BAD_NAME =
  "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
/** A library has so much time to register its functions. */
const LOAD_LIMIT_MICROS = 500_000;
/** What one takes beside its code, loaded. */
const LIBRARY_BYTES = 2048;

export interface Library {
  readonly name: string;
  /** As it was given, one byte a character. */
  readonly code: string;
  readonly functions: readonly LibraryFunction[];
}

export interface Callable {
  readonly library: Library;
  readonly called: LibraryFunction;
  readonly flags: readonly ScriptFlag[];
}

export class Libraries {
  readonly #run: Run;
  readonly #place = new Place();
  /** By name, in the order of their names. */
  #loaded = new Map<string, Library>();
  /** By name in lower case. */
  readonly #functions = new Map<string, Callable>();
  /** Of what is loaded; what a checkpoint brought is not counted. */
  #version = -1;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Every library that can be used here, in the order of their names. */
  all(): readonly Library[] {
    this.#refresh();
    return [...this.#loaded.values()];
  }

  find(name: string): Library | undefined {
    this.#refresh();
    return this.#loaded.get(name);
  }

  /** The function that is called by a name, in whatever case. */
  callable(name: string): Callable | undefined {
    this.#refresh();
    return this.#functions.get(name.toLowerCase());
  }

  get functionCount(): number {
    this.#refresh();
    return this.#functions.size;
  }

  /** About what the libraries take in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const { code } of this.#loaded.values()) bytes += code.length + LIBRARY_BYTES;
    return bytes;
  }

  /** Loads the code of a library without making it known; a text says what is wrong with it. */
  load(code: string): Library | string {
    const { scriptEngine, scriptRun, node } = this.#run;
    const shebang = shebangOf(code);
    if (shebang === null) return "Missing library metadata";
    if (shebang === "endless" || shebang === "unbalanced") return "Invalid library metadata";
    let name: string | null = null;
    for (const option of shebang.options) {
      if (!option.toLowerCase().startsWith("name="))
        return `Invalid metadata value given: ${option}`;
      if (name !== null) return "Invalid metadata value, name argument was given multiple times";
      name = option.slice(5);
    }
    if (name === null) return "Library name was not given";
    if (!/^\w+$/.test(name)) return BAD_NAME;
    if (scriptEngine === null) return NO_ENGINE.slice(4);
    if (shebang.engine.toLowerCase() !== scriptEngine.name.toLowerCase())
      return `Engine '${shebang.engine}' not found`;
    const functions = scriptEngine.load(
      shebang.body,
      scriptRun.loading(node.micros() + LOAD_LIMIT_MICROS),
    );
    if (typeof functions === "string") return functions;
    if (functions.length === 0) return "No functions registered";
    return { name, code, functions };
  }

  /** Makes libraries known, in place of those of the same names, and of all others when `flush`; a text says what stands against it. */
  add(libraries: readonly Library[], policy: "append" | "replace" | "flush"): string | null {
    this.#refresh();
    const then = new Map(policy === "flush" ? [] : this.#loaded);
    for (const { name } of libraries) {
      if (then.has(name) && policy === "append") return `Library ${name} already exists`;
      then.delete(name);
    }
    const names = new Set<string>();
    for (const { functions } of then.values())
      for (const { name } of functions) names.add(name.toLowerCase());
    for (const { functions } of libraries)
      for (const { name } of functions) {
        if (names.has(name.toLowerCase())) return `Function ${name} already exists`;
        names.add(name.toLowerCase());
      }
    if (policy === "flush") this.clear();
    for (const library of libraries) {
      const code = Buffer.from(library.code, "latin1");
      this.#run.write.set(this.#locate(library.name), Infinity, code, 0, code.length);
      this.#loaded.set(library.name, library);
    }
    return null;
  }

  remove(name: string): void {
    const place = this.#locate(name);
    if (place.type !== NONE) this.#run.write.remove(place);
  }

  /** Removes every library, those included that cannot be used here. */
  clear(): void {
    for (const name of this.#names()) this.remove(name);
  }

  #names(): string[] {
    const table = this.#run.keyspace.libraries;
    const entry = new Entry();
    const names: string[] = [];
    table.each((at) => {
      table.load(at, entry);
      names.push(entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd));
    });
    return names.toSorted();
  }

  #locate(name: string): Place {
    const place = this.#place;
    const bytes = Buffer.from(name, "latin1");
    this.#run.keyspace.locate(place, LIBRARIES_DB, bytes, 0, bytes.length);
    place.look(this.#run.keyspace, this.#run.nowMs);
    const seq = this.#run.write.slotSeqs[place.slot] as number;
    if (seq > this.#run.holdSeq) this.#run.holdSeq = seq;
    return place;
  }

  /** Takes over what has changed in the keyspace. */
  #refresh(): void {
    const { librariesVersion } = this.#run.keyspace;
    if (librariesVersion === this.#version) return;
    this.#version = librariesVersion;
    const before = this.#loaded;
    this.#loaded = new Map();
    this.#functions.clear();
    for (const name of this.#names()) {
      const place = this.#locate(name);
      if (place.type === NONE) continue;
      const code = place.value.latin1Slice(place.valueStart, place.valueEnd);
      const known = before.get(name);
      const library = known?.code === code ? known : this.load(code);
      // What another version of this store could load there need not load here.
      if (typeof library === "string")
        this.#run.node.log("warning", `library ${name} cannot be used here: ${library}`);
      else this.#take(library);
    }
  }

  #take(library: Library): void {
    this.#loaded.set(library.name, library);
    for (const called of library.functions) {
      const name = called.name.toLowerCase();
      if (this.#functions.has(name)) continue;
      const flags = SCRIPT_FLAGS.filter((flag) => called.flags.includes(flag));
      this.#functions.set(name, { library, called, flags });
    }
  }
}
