import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Malformed } from "../bytes/source.ts";
import {
  FLAG_COMPRESSED,
  FLAG_MORE,
  FRAGMENT_BYTES_MAX,
  FrameDecoder,
  type FrameTools,
  writeFrame,
} from "./frame.ts";

const tools: FrameTools = {
  crc32: (bytes) => crc32(bytes),
  unpack: (bytes, bytesMax) => zstdDecompressSync(bytes, { maxOutputLength: bytesMax }),
};

type Message = { type: number; group: number; body: Buffer };

function encoded(type: number, flags: number, group: number, body: Buffer): Buffer {
  const sink = new Sink(16);
  writeFrame(sink, type, flags, group, body, tools.crc32);
  return sink.copy();
}

/** Everything a decoder makes of `chunks`. */
function decoded(chunks: Buffer[], decoder = new FrameDecoder(tools)): Message[] {
  const out: Message[] = [];
  for (const chunk of chunks)
    decoder.push(chunk, (type, group, body) => out.push({ type, group, body: Buffer.from(body) }));
  return out;
}

/** `bytes` cut at the given places. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, i) => Buffer.from(bytes.subarray(at[i], end)));
}

function shared(name: string): unknown {
  const url = new URL(`../../../testdata/wire/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}

test("a frame is written, and read, exactly as the shared vectors say", () => {
  type Vector = { name: string; type: number; flags: number; group: number } & Record<
    "body" | "frame",
    string
  >;
  const vectors = shared("frame-valid.json") as Vector[];
  assert.ok(vectors.length > 3);
  for (const { name, type, flags, group, body, frame } of vectors) {
    const bytes = Buffer.from(body, "hex");
    assert.equal(encoded(type, flags, group, bytes).toString("hex"), frame, name);
    assert.deepEqual(decoded([Buffer.from(frame, "hex")]), [{ type, group, body: bytes }], name);
  }
});

test("what the shared vectors call malformed is refused with its reason, however it is cut", () => {
  const vectors = shared("frame-malformed.json") as {
    name: string;
    bytes: string;
    says: string;
  }[];
  assert.ok(vectors.length > 8);
  for (const { name, bytes, says } of vectors) {
    const all = Buffer.from(bytes, "hex");
    for (const chunks of [[all], [...all].map((byte) => Buffer.from([byte]))])
      assert.throws(
        () => decoded(chunks),
        (error) => error instanceof Malformed && error.message.includes(says),
        name,
      );
  }
});

const message = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  group: fc.integer({ min: 0, max: 65535 }),
  fragments: fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
    minLength: 1,
    maxLength: 4,
  }),
  packed: fc.boolean(),
});

test("messages arrive whole and in order wherever the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (messages, places) => {
        const stream = messages.flatMap(({ type, group, fragments, packed }) =>
          fragments.map((fragment, i) => {
            const more = i < fragments.length - 1 ? FLAG_MORE : 0;
            const body = Buffer.from(fragment);
            return packed
              ? encoded(type, more | FLAG_COMPRESSED, group, zstdCompressSync(body))
              : encoded(type, more, group, body);
          }),
        );
        const decoder = new FrameDecoder(tools);
        assert.deepEqual(
          decoded(cut(Buffer.concat(stream), places), decoder),
          messages.map(({ type, group, fragments }) => ({
            type,
            group,
            body: Buffer.concat(fragments),
          })),
        );
        assert.equal(decoder.heldBytes, 0);
      },
    ),
  );
});

test("a changed byte is never handed over as a message", () => {
  fc.assert(
    fc.property(
      message,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.array(fc.nat(), { maxLength: 5 }),
      ({ type, group, fragments }, at, mask, places) => {
        const bytes = encoded(type, 0, group, Buffer.from(fragments[0] as Uint8Array));
        const place = at % bytes.length;
        bytes[place] = (bytes[place] as number) ^ mask;
        let seen: Message[] = [];
        try {
          seen = decoded(cut(bytes, places));
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
        }
        assert.deepEqual(seen, []);
      },
    ),
  );
});

test("arbitrary bytes are waited for or refused, and never cost more memory than they are", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 12 }), (chunks) => {
      const decoder = new FrameDecoder(tools);
      let sent = 0;
      try {
        for (const chunk of chunks) {
          sent += chunk.length;
          decoder.push(Buffer.from(chunk), () => {});
          assert.ok(decoder.heldBytes <= sent);
        }
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
      }
    }),
  );
});

test("a length is not believed before its bytes have come", () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => new FrameDecoder(tools));
  const claim = Buffer.from([0x01, 0x00, 0x00, 0x00, 0x03, 0x00]); // 16 MiB, and then two bytes
  for (const decoder of decoders) decoder.push(claim, () => assert.fail("nothing was sent"));
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
});

test("a compressed frame that would unpack beyond a fragment is refused", () => {
  const bomb = zstdCompressSync(Buffer.alloc(FRAGMENT_BYTES_MAX + 1));
  assert.ok(bomb.length < 10_000);
  assert.throws(() => decoded([encoded(3, FLAG_COMPRESSED, 0, bomb)]), /cannot be unpacked/);
});

test("a message that never ends is refused at the limit", () => {
  const decoder = new FrameDecoder({ ...tools, messageBytesMax: 1000 });
  const piece = encoded(3, FLAG_MORE, 0, Buffer.alloc(400));
  assert.throws(() => decoded([piece, piece, piece], decoder), /longer than 1000 bytes/);
});

test("a visitor that has enough is left alone, and the rest comes in its order", () => {
  const sink = new Sink(64);
  for (let i = 0; i < 5; i++) {
    const body = Buffer.from(`message ${i}`);
    writeFrame(sink, 1, 0, 0, body, tools.crc32);
  }
  const bytes = Buffer.from(sink.view());
  for (const held of [0, 3, 20]) {
    const decoder = new FrameDecoder(tools);
    const seen: string[] = [];
    const visit = (_type: number, _group: number, body: Buffer): void => {
      seen.push(body.toString());
      decoder.stop();
    };
    // What was held over from a chunk before counts as one as well.
    assert.equal(decoder.push(bytes.subarray(0, held), visit), held);
    for (let at = held; at < bytes.length;) {
      const before = seen.length;
      at += decoder.push(bytes.subarray(at), visit);
      assert.ok(seen.length <= before + 1);
    }
    assert.deepEqual(
      seen,
      [0, 1, 2, 3, 4].map((i) => `message ${i}`),
    );
  }
});
