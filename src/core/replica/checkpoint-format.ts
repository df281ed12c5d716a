/**
 * CheckpointFormat: the numbers that the sections of a checkpoint and those who read them agree on.
 *
 * Invariant: none changes its meaning. A newer format has a higher version, and older ones are read.
 */

/** Format 4 has strong keys: without any it is still format 3, which an older version reads. */
export const CHECKPOINT_VERSION = 4;
/** Instead of a deadline: there is none. */
export const NEVER: number = 2 ** 48 - 1;

/** Instead of a key's parts: more cells of a body. */
export const MORE = 128;
/** Instead of a key's parts: the floors of its members. Written no more: what waits to be collected names them all. */
export const MEMBER_FLOORS = 129;
/** Instead of a key's parts: what was decided about it, a strong key. */
export const LEARNED = 130;
/** Instead of a key's parts, behind a key of no name: what this member has promised and accepted. */
export const ACCEPTOR = 131;

export const CELL_REGISTER = 0;
export const CELL_OBJECT = 1;
