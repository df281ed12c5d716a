/** Json: a value as parsed. Objects are maps, so that a member's name is never taken for anything else and keeps its place. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** How deep arrays and objects may lie within each other. */
export const DEPTH_MAX = 128;
