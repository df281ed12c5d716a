/**
 * Mmdb: a database of places in the format of MaxMind (version 2.0), for servers that are measured beside ours.
 *
 *     tree of 24-bit records │ 16 zeros │ data │ marker │ metadata
 *
 * Invariant: it holds the networks it was given, which do not overlap, and nothing of anybody else.
 */
import type { Network } from "../src/core/routing/dns/address.ts";

export interface Place {
  readonly network: Network;
  readonly longitude: number;
  readonly latitude: number;
}

type Branch = [zero: Node | null, one: Node | null];
type Node = { branch: Branch } | { offset: number };

const SEPARATOR_BYTES = 16;
const RECORD_BITS = 24;
const MARKER = Buffer.from("abcdef4d61784d696e642e636f6d", "hex");

export function mmdb(places: readonly Place[]): Buffer {
  const data: Buffer[] = [];
  let offset = 0;
  const root: Branch = [null, null];
  for (const { network, longitude, latitude } of places) {
    const entry = map({
      location: map({ latitude: double(latitude), longitude: double(longitude) }),
    });
    insert(root, network, { offset });
    data.push(entry);
    offset += entry.length;
  }
  const branches: Branch[] = [];
  const numbers = new Map<Branch, number>();
  const visit = (branch: Branch): void => {
    numbers.set(branch, branches.length);
    branches.push(branch);
    for (const node of branch) if (node !== null && "branch" in node) visit(node.branch);
  };
  visit(root);
  const tree = Buffer.alloc(branches.length * 6);
  for (const [i, branch] of branches.entries())
    for (const [side, node] of branch.entries()) {
      const value =
        node === null
          ? branches.length
          : "branch" in node
            ? (numbers.get(node.branch) as number)
            : branches.length + SEPARATOR_BYTES + node.offset;
      tree.writeUIntBE(value, i * 6 + side * 3, 3);
    }
  const metadata = map({
    binary_format_major_version: uint(5, 2),
    binary_format_minor_version: uint(5, 0),
    build_epoch: uint(9, 1),
    database_type: string("Bench-City"),
    description: map({}),
    ip_version: uint(5, 4),
    languages: control(11, 0),
    node_count: uint(6, branches.length),
    record_size: uint(5, RECORD_BITS),
  });
  return Buffer.concat([tree, Buffer.alloc(SEPARATOR_BYTES), ...data, MARKER, metadata]);
}

function insert(root: Branch, { address, bits }: Network, leaf: Node): void {
  let branch = root;
  for (let bit = 0; bit < bits; bit++) {
    const side = ((address[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
    if (bit === bits - 1) {
      branch[side] = leaf;
      return;
    }
    let next = branch[side] ?? null;
    if (next === null || !("branch" in next)) branch[side] = next = { branch: [null, null] };
    branch = next.branch;
  }
}

/** What begins a value; types above 7 say themselves in a second byte. */
function control(type: number, size: number): Buffer {
  return type > 7 ? Buffer.from([size, type - 7]) : Buffer.from([(type << 5) | size]);
}

function string(text: string): Buffer {
  return Buffer.concat([control(2, text.length), Buffer.from(text, "latin1")]);
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return Buffer.concat([control(3, 8), bytes]);
}

function uint(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  return Buffer.concat([control(type, digits.length), digits]);
}

function map(entries: Readonly<Record<string, Buffer>>): Buffer {
  const pairs = Object.entries(entries).flatMap(([name, value]) => [string(name), value]);
  return Buffer.concat([control(7, pairs.length / 2), ...pairs]);
}
