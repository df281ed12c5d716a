/** ValueKinds: the bytes that say how a value is written in Redis' format. */

export const STRING = 0;
export const LIST = 1;
export const SET = 2;
export const ZSET = 3;
export const HASH = 4;
/** Scores in eight bytes each. */
export const ZSET_2 = 5;
/** Of a module: what it means only the module knows, where it ends anybody. */
export const MODULE = 7;
export const HASH_ZIPMAP = 9;
export const LIST_ZIPLIST = 10;
export const SET_INTSET = 11;
export const ZSET_ZIPLIST = 12;
export const HASH_ZIPLIST = 13;
/** Nodes that are ziplists. */
export const LIST_QUICKLIST = 14;
export const STREAM = 15;
export const HASH_LISTPACK = 16;
export const ZSET_LISTPACK = 17;
/** Nodes that are listpacks or single items. */
export const LIST_QUICKLIST_2 = 18;
/** With the first id, the highest deleted one, and counts. */
export const STREAM_2 = 19;
export const SET_LISTPACK = 20;
/** With the time at which a consumer last got an entry. */
export const STREAM_3 = 21;
/** Of 7.4: fields may have deadlines. */
export const HASH_EXPIRING = 24;
export const HASH_LISTPACK_EXPIRING = 25;

/** The two kinds of nodes in `LIST_QUICKLIST_2`. */
export const NODE_PLAIN = 1;
export const NODE_PACKED = 2;
