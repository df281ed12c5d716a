/**
 * Format: how what is written under a prefix is kept and merged, where that is chosen by whoever writes.
 *
 *   bitmap    strings whose bits are written: chunks that merge bit by bit, instead of whole values of which one is shown
 *   lww-set   members of sets: the later of an addition and a removal wins, instead of the addition
 *   lww-strict  strings: the later of two writes wins, removals among them, and what lost is not kept beside it
 *
 * Invariant: every effect says by itself what it does, and replicas with the same effects hold the same whatever formats they are
 * configured with. So a format decides about writes alone: what is there stays as it is, and readable.
 */
export const FORMATS = ["bitmap", "lww-set", "lww-strict"] as const;
export type Format = (typeof FORMATS)[number];
