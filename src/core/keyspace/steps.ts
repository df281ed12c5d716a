/**
 * Steps: what work costs, counted and not measured, so that it is the same wherever it is done: the host ends a turn by it.
 *
 * A step takes 0.1 to 0.5 µs, by what the processor's caches hold. Kept by the heap (`heap.steps`), which all that works on its entries knows.
 *
 * Invariant: whatever grows with the number of commands, records, effects, elements or bytes is counted.
 */

/** A command, or a record of a peer, beside its arguments and effects. */
export const STEPS_CALL = 2;
/** What a record does to one key or element. */
export const STEPS_EFFECT = 3;
/** An element that enters or leaves an order; one with scores is busy everywhere, so that every look at it waits for memory. */
export const STEPS_ORDER = 4;
export const STEPS_SCORED = 12;
/** `1 << LOOK_BITS` entries that a walk passes are a step. */
export const LOOK_BITS = 2;
/** `1 << STEP_BITS` bytes that are received, written or answered are a step. */
export const STEP_BITS = 10;
