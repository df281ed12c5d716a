/**
 * EventClasses: the classes of keyspace events as `notify-keyspace-events` names them, one letter each.
 *
 * Invariant: what is shown means the same when it is set again.
 */
const letters = "g$lshzxetdnmKE";

/** The bit of a class. */
export function eventClass(letter: string): number {
  return 1 << letters.indexOf(letter);
}

/** To channels that name the key, and to channels that name the event. */
export const BY_KEY = eventClass("K");
export const BY_EVENT = eventClass("E");
/** What `A` stands for: every class but misses, which most writes to a cache would make. */
const ALL = "g$lshzxetd".split("").reduce((sum, letter) => sum | eventClass(letter), 0);

/** The classes that a text names, as bits; null when a letter is none. */
export function readEventClasses(text: string): number | null {
  let classes = 0;
  for (const letter of text) {
    if (letter !== "A" && !letters.includes(letter)) return null;
    classes |= letter === "A" ? ALL : eventClass(letter);
  }
  return classes;
}

/** The text for classes, in Redis' order. */
export function eventClassesText(classes: number): string {
  const named = (some: string): string =>
    some
      .split("")
      .filter((letter) => (classes & eventClass(letter)) !== 0)
      .join("");
  const kinds = (classes & ALL) === ALL ? "A" : named("g$lshzxetd");
  return kinds + named("nKEm");
}
