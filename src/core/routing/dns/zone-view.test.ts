import assert from "node:assert/strict";
import { test } from "node:test";
import { isIn, parseAddress, parseNetwork } from "./address.ts";
import { TYPE } from "./constants.ts";
import { readMessage } from "./message.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { parseName } from "./name.ts";
import { defaultSoa } from "./responder.ts";
import { Zone } from "./zone.ts";
import { ZoneView } from "./zone-view.ts";

const ORIGIN = parseName("lab.") as Buffer;
const START_MS = 1_700_000_000_000;

function viewOf(names: number): { view: ZoneView; choose: (address: string) => void } {
  const zone = new Zone(ORIGIN, defaultSoa(ORIGIN, ORIGIN, 30));
  for (let i = 0; i < names; i++) {
    const name = parseName(`n${i}`, ORIGIN) as Buffer;
    zone.add({ name, type: TYPE.TXT, class: 1, ttl: 60, data: Buffer.alloc(200, 199) });
  }
  zone.steer(parseName("app", ORIGIN) as Buffer, "app");
  let address = "10.0.0.1";
  const view = new ZoneView(
    { zone, signatures: null },
    (_rule, type) => ({ data: type === TYPE.A ? [parseAddress(address) as Buffer] : [], ttl: 30 }),
    START_MS,
  );
  return { view, choose: (one) => (address = one) };
}

function transferred(view: ZoneView): ResourceRecord[] {
  const question = Buffer.concat([ORIGIN, Buffer.from([0, TYPE.AXFR, 0, 1])]);
  return [...view.messages(1, question)].flatMap((bytes, i) => {
    assert.ok(bytes.length < 20_000);
    const { answers, questions } = readMessage(bytes);
    assert.equal(questions.length, i === 0 ? 1 : 0);
    return answers;
  });
}

test("a transfer is the whole zone between its SOA and its SOA, however many messages that takes", () => {
  const records = transferred(viewOf(1_000).view);
  assert.equal(records.length, 1_003);
  assert.equal(records[0]?.type, TYPE.SOA);
  assert.deepEqual(records.at(-1), records[0]);
  assert.deepEqual(
    records.filter(({ type }) => type === TYPE.A).map(({ data }) => data.join(".")),
    ["10.0.0.1"],
  );
});

test("a view has one serial for as long as it is the same, and then a larger one, whatever the clock says", () => {
  const { view, choose } = viewOf(1);
  assert.equal(view.serial, START_MS / 1000);
  assert.equal(view.update(START_MS + 60_000), false);
  assert.equal(view.serial, START_MS / 1000);
  choose("10.0.0.2");
  assert.equal(view.update(START_MS - 60_000), true);
  assert.equal(view.serial, START_MS / 1000 + 1);
  const [soa] = transferred(view);
  assert.equal(soa?.data.readUInt32BE(soa.data.length - 20), view.serial);
  choose("10.0.0.1");
  assert.equal(view.update(START_MS + 60_000), true);
  assert.equal(view.serial, START_MS / 1000 + 60);
});

test("an address lies in a network when it shares its bits", () => {
  const lies = (address: string, net: string): boolean =>
    isIn(
      parseAddress(address) as Buffer,
      parseNetwork(net) as NonNullable<ReturnType<typeof parseNetwork>>,
    );
  assert.ok(lies("10.1.255.255", "10.0.0.0/15"));
  assert.ok(!lies("10.2.0.0", "10.0.0.0/15"));
  assert.ok(lies("192.0.2.1", "192.0.2.1") && !lies("192.0.2.2", "192.0.2.1"));
  assert.ok(lies("1.2.3.4", "0.0.0.0/0") && !lies("::1", "0.0.0.0/0"));
  assert.ok(lies("2001:db8::9", "2001:db8::/32") && !lies("2001:db9::9", "2001:db8::/32"));
});
