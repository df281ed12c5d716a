import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, error, int, NIL, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

/** Two towns of Sicily, and the far side of Earth. */
function sicily(): Standalone {
  const store = new Standalone();
  const palermo = ["13.361389", "38.115556", "Palermo"];
  assert.equal(store.raw("GEOADD", "g", ...palermo, "15.087269", "37.502669", "Catania"), int(2));
  return store;
}

function bulks(...texts: string[]): string {
  return array(...texts.map(bulk));
}

test("positions are scores, and come back as the middle of their cell", () => {
  const store = sicily();
  assert.equal(store.raw("ZSCORE", "g", "Palermo"), bulk("3479099956230698"));
  assert.equal(store.raw("TYPE", "g"), "+zset\r\n");
  assert.equal(
    store.raw("GEOPOS", "g", "Palermo", "none"),
    array(bulks("13.36138933897018433", "38.11555639549629859"), "*-1\r\n"),
  );
  assert.equal(
    store.raw("GEOHASH", "g", "Palermo", "none", "Catania"),
    array(bulk("sqc8b49rny0"), NIL, bulk("sqdtr74hyu0")),
  );
});

test("GEOADD takes the options of ZADD that make sense", () => {
  const store = sicily();
  assert.equal(store.raw("GEOADD", "g", "NX", "1", "1", "Palermo", "1", "1", "Enna"), int(1));
  assert.equal(store.raw("GEOADD", "g", "XX", "CH", "2", "2", "Enna", "1", "1", "Noto"), int(1));
  assert.equal(store.raw("ZCARD", "g"), int(3));
  const syntax = error("ERR syntax error");
  assert.equal(store.raw("GEOADD", "g", "NX", "XX", "1", "1", "a"), syntax);
  assert.equal(store.raw("GEOADD", "g", "1", "1", "a", "1"), syntax);
  assert.equal(store.raw("GEOADD", "g", "x", "1", "a"), error("ERR value is not a valid float"));
  assert.equal(
    store.raw("GEOADD", "g", "200", "100.5", "a"),
    error("ERR invalid longitude,latitude pair 200.000000,100.500000"),
  );
});

test("distances are told in meters, kilometers, feet and miles", () => {
  const store = sicily();
  const distance = (...unit: string[]): string =>
    store.raw("GEODIST", "g", "Palermo", "Catania", ...unit);
  assert.equal(distance(), bulk("166274.1516"));
  assert.equal(distance("KM"), bulk("166.2742"));
  assert.equal(distance("mi"), bulk("103.3182"));
  assert.equal(distance("ft"), bulk("545518.8700"));
  assert.equal(store.raw("GEODIST", "g", "Palermo", "Palermo"), bulk("0.0000"));
  assert.equal(store.raw("GEODIST", "g", "Palermo", "none"), NIL);
  assert.equal(distance("x"), error("ERR unsupported unit provided. please use M, KM, FT, MI"));
});

test("a circle or a box shows what lies within, with what is asked for", () => {
  const store = sicily();
  store.raw("GEOADD", "g", "12.758489", "38.788135", "edge1", "17.241510", "38.788135", "edge2");
  const around = ["FROMLONLAT", "15", "37"];
  assert.equal(
    store.raw("GEOSEARCH", "g", ...around, "BYRADIUS", "200", "km", "ASC"),
    bulks("Catania", "Palermo"),
  );
  assert.equal(
    store.raw("GEOSEARCH", "g", ...around, "BYBOX", "400", "400", "km", "DESC", "COUNT", "3"),
    bulks("edge1", "edge2", "Palermo"),
  );
  assert.equal(
    store.raw(
      "GEORADIUS",
      "g",
      "15",
      "37",
      "200",
      "km",
      "WITHDIST",
      "WITHHASH",
      "WITHCOORD",
      "COUNT",
      "1",
    ),
    array(
      array(
        bulk("Catania"),
        bulk("56.4413"),
        int(3479447370796909),
        bulks("15.08726745843887329", "37.50266842333162032"),
      ),
    ),
  );
  assert.equal(
    store.raw("GEORADIUSBYMEMBER", "g", "Palermo", "100", "km"),
    bulks("Palermo", "edge1"),
  );
  assert.equal(store.raw("GEOSEARCH", "none", ...around, "BYRADIUS", "1", "m"), array());
});

test("a search is stored by position or by distance", () => {
  const store = sicily();
  const near = ["FROMMEMBER", "Palermo", "BYRADIUS", "200", "km"];
  assert.equal(store.raw("GEOSEARCHSTORE", "d", "g", ...near, "STOREDIST"), int(2));
  assert.equal(store.raw("ZSCORE", "d", "Palermo"), bulk("0"));
  assert.equal(store.raw("GEORADIUS", "g", "15", "37", "100", "km", "STORE", "d"), int(1));
  assert.equal(store.raw("ZRANGE", "d", "0", "-1"), bulks("Catania"));
  assert.equal(store.raw("GEOSEARCHSTORE", "d", "none", ...near), int(0));
  assert.equal(store.raw("EXISTS", "d"), int(0));
});

test("searches that make no sense are refused, in Redis' words", () => {
  const store = sicily();
  for (const [command, reply] of [
    [
      "GEOSEARCH g BYRADIUS 1 m ASC COUNT 1",
      "exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
    ],
    [
      "GEOSEARCH g FROMLONLAT 1 1 ASC COUNT 1",
      "exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
    ],
    ["GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER Palermo BYRADIUS 1 m", "syntax error"],
    ["GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m ANY", "the ANY argument requires COUNT argument"],
    ["GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0", "COUNT must be > 0"],
    ["GEOSEARCH g FROMLONLAT 1 1 BYRADIUS -1 m", "radius cannot be negative"],
    ["GEOSEARCH g FROMLONLAT 1 1 BYRADIUS x m", "need numeric radius"],
    ["GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 -1 m", "height or width cannot be negative"],
    ["GEOSEARCH g FROMMEMBER none BYRADIUS 1 m", "could not decode requested zset member"],
    ["GEORADIUS_RO g 1 1 1 m STORE d", "syntax error"],
    [
      "GEORADIUS g 1 1 1 m STORE d WITHDIST",
      "STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
    ],
  ] as const)
    assert.equal(store.raw(...command.split(" ")), error(`ERR ${reply}`), command);
  store.raw("SET", "k", "x");
  for (const command of [
    "GEOPOS k a",
    "GEODIST k a b",
    "GEOHASH k a",
    "GEORADIUS k x y z m",
    "GEOADD k 1 1 a",
  ])
    assert.equal(store.raw(...command.split(" ")), WRONG, command);
});

test("exactly what lies within is found, by any radius", () => {
  const store = new Standalone();
  let seed = 7;
  const draw = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const names = Array.from({ length: 300 }, (_, i) => `m${i}`);
  // Away from the poles and the seam at 180°, across which nobody looks.
  for (const name of names)
    store.raw("GEOADD", "g", String(draw() * 240 - 120), String(draw() * 120 - 60), name);
  let most = 0;
  for (let i = 0; i < 60; i++) {
    const from = names[Math.floor(draw() * names.length)] as string;
    const radius = 10 ** (4 + draw() * 2.3);
    const near = names.filter(
      (name) => Number(store.raw("GEODIST", "g", from, name).split("\r\n")[1]) <= radius,
    );
    const raw = store.raw("GEORADIUSBYMEMBER_RO", "g", from, String(radius), "m");
    const found = raw.split("\r\n").filter((line) => line.startsWith("m"));
    assert.deepEqual(found.sort(), near.sort(), `${radius} m around ${from}`);
    most = Math.max(most, found.length);
  }
  assert.ok(most > 5, "some find several");
});
