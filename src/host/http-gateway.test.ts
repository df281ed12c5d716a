/** Where requests go, with regions and a clock that are played by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failoverTo } from "../core/routing/decision.suite.ts";
import { GATEWAY_TICK_MS } from "./gateway.ts";
import type { Pulse } from "./gateway-regions.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type Errand, HttpGateway } from "./http-gateway.ts";

/** A region that answers each heartbeat at once. */
class Steady implements Pulse {
  readonly beat = new Heartbeat();
  readonly isUrgent = false;

  ask(): void {
    this.beat.answered(true, 1);
    this.beat.done();
  }

  giveUp(): void {}

  close(): void {}
}

class World {
  nowMs = 1_000;
  named = ["east", "west", "north"];
  readonly gateway = new HttpGateway({
    regions: this.named,
    route: () => ({ decision: failoverTo(this.named), facts: [] }),
    newPulse: () => new Steady(),
    monoMs: () => this.nowMs,
    log: { info() {}, warn() {}, error() {} },
  });

  constructor() {
    this.pass(GATEWAY_TICK_MS);
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= GATEWAY_TICK_MS) {
      this.nowMs += GATEWAY_TICK_MS;
      this.gateway.tick();
    }
  }

  begin(mayRepeat: boolean): Errand {
    return this.gateway.begin("203.0.113.9", mayRepeat);
  }
}

test("what could not be sent goes to all regions in turn; what was sent, to one more, and only if it may be made twice", () => {
  const world = new World();
  const unsent = world.begin(false);
  assert.equal(unsent.region, "east");
  assert.equal(unsent.failed(false), "again");
  assert.equal(unsent.failed(false), "again");
  assert.equal(unsent.region, "north");
  assert.equal(unsent.failed(false), "unserved");
  const twice = world.begin(true);
  assert.equal(twice.failed(true), "again");
  assert.equal(twice.region, "west");
  assert.equal(twice.failed(true), "unserved");
  assert.equal(world.begin(false).failed(true), "unknown");
});

test("no more is asked a second time than the budget allows", () => {
  const world = new World();
  let again = 0;
  for (let n = 0; n < 200; n++) {
    const errand = world.begin(true);
    if (errand.failed(true) === "again") again++;
    errand.end();
  }
  // Thirty are always there, and a fifth of what was asked.
  assert.ok(again >= 60 && again <= 70, `${again}`);
});

test("a WebSocket at a region that is no longer named ends after thirty seconds, unless it is named again", () => {
  const world = new World();
  const tunnel = world.begin(true);
  let ended = 0;
  tunnel.abandon = () => void ended++;
  tunnel.opened();
  world.named = ["west", "north"];
  world.pass(20_000);
  world.named = ["east", "west", "north"];
  world.pass(20_000);
  world.named = ["west", "north"];
  world.pass(29_000);
  assert.equal(ended, 0);
  world.pass(2_000);
  assert.ok(ended > 0);
});
