/**
 * StreamCell: how a stream lies in the cells of its key: what their names begin with, and what is in them.
 *
 *   entry      0 │ id │ incarnation            varint node │ varint pairs │ { varint length │ bytes }      names and values in turn
 *   tally      1 │ incarnation                 last id │ varint added │ varint node, its entries, its bytes │ [last deleted id]
 *   group      2 │ group                       id │ varint read + 1 │ { incarnation │ id }
 *   consumer   3 │ varint length │ group │ consumer            u48 seen ms
 *   pending    4 │ varint length │ group │ id                  u48 delivered ms │ varint deliveries │ consumer
 *
 * A tally is what one origin has done to the stream; a reader takes the greatest ids and the sum of what was added. It also keeps a
 * stream alive that has no entries. A node is what Redis would hold in one: approximate trimming removes whole ones.
 *
 * Invariant: an entry's name ends with who made it, so two that were given one id in two regions are two entries. Only an origin itself
 * writes its tally. A group may have been written by several at once; then what it has delivered is what any of them has
 * (`crdt/stream-group.ts`). Of the others the last written counts.
 */
import { Malformed, Source } from "../bytes/source.ts";
import { ID_BYTES } from "./stream-id.ts";

export const ENTRY = 0;
export const TALLY = 1;
export const GROUP = 2;
export const CONSUMER = 3;
export const PENDING = 4;

export const INCARNATION_BYTES = 8;
/** Of an entry's name. */
export const ENTRY_NAME_BYTES: number = 1 + ID_BYTES + INCARNATION_BYTES;
/** Where in an entry's name its maker stands. */
export const ENTRY_MAKER: number = 1 + ID_BYTES;
/** What a group says of each origin. */
export const CURSOR_BYTES: number = INCARNATION_BYTES + ID_BYTES;

const name = new Source(Buffer.alloc(0));
const value = new Source(Buffer.alloc(0));

/** Refuses the name of a cell from a peer or a file that is none of a stream's. */
export function checkStreamName(bytes: Buffer, start: number, end: number): void {
  name.reset(bytes, start, end);
  const kind = name.u8();
  switch (kind) {
    case ENTRY:
      name.skip(ID_BYTES + INCARNATION_BYTES);
      break;
    case TALLY:
      name.skip(INCARNATION_BYTES);
      break;
    case GROUP:
    case CONSUMER:
      if (kind === CONSUMER) name.skip(name.varint());
      name.skip(name.left);
      break;
    case PENDING:
      name.skip(name.varint());
      name.skip(ID_BYTES);
      break;
    default:
      throw new Malformed(`a stream has no cells of kind ${kind}`);
  }
  if (name.left > 0) throw new Malformed("the name of a stream's cell is too long");
}

/** Refuses what a peer or a file says is in a cell of a kind. */
export function checkStreamValue(kind: number, bytes: Buffer, start: number, end: number): void {
  value.reset(bytes, start, end);
  switch (kind) {
    case ENTRY: {
      value.varint();
      const pairs = value.varint();
      if (pairs > value.left) throw new Malformed("an entry has fewer fields than it says");
      for (let i = 0; i < 2 * pairs; i++) value.skip(value.varint());
      break;
    }
    case TALLY:
      value.skip(ID_BYTES);
      for (let i = 0; i < 4; i++) value.varint();
      if (value.left > 0) value.skip(ID_BYTES);
      break;
    case GROUP:
      value.skip(ID_BYTES);
      value.varint();
      while (value.left > 0) value.skip(CURSOR_BYTES);
      break;
    case CONSUMER:
      value.u48();
      break;
    default:
      value.u48();
      value.varint();
      value.skip(value.left);
  }
  if (value.left > 0) throw new Malformed("a stream's cell is too long");
}
