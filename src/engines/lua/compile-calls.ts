/**
 * Calls as closures.
 *
 * Invariant: a call notes from where it calls before it does. The frame of a Lua function is made by its caller, which puts
 * the arguments into it; there is no array of arguments unless the function takes a variable number of them.
 */
import type { Compilation } from "./compilation.ts";
import { Closure, Native, type EvaluateAll, type Frame, type Site } from "./functions.ts";
import { hashString } from "./hashes.ts";
import { index } from "./operations.ts";
import type { Runtime } from "./runtime.ts";
import { FIRST_SLOT, isMultiple, type Call, type MethodCall } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import type { LuaValue, Results } from "./values.ts";

export function compileCall(c: Compilation, node: Call, tail: boolean): EvaluateAll {
  const { runtime } = c;
  const callee = c.value(node.callee);
  const site: Site = { line: node.line, callee: node.callee, tail };
  const { args } = node;
  if (!isMultiple(args.at(-1))) {
    const [a, b, d] = args.map((arg) => c.value(arg));
    if (a === undefined) return (frame) => call0(runtime, site, callee(frame));
    if (b === undefined) {
      return (frame) => {
        const called = callee(frame);
        return call1(runtime, site, called, a(frame));
      };
    }
    if (d === undefined) {
      return (frame) => {
        const called = callee(frame);
        const one = a(frame);
        return call2(runtime, site, called, one, b(frame));
      };
    }
    if (args.length === 3) {
      return (frame) => {
        const called = callee(frame);
        const one = a(frame);
        const two = b(frame);
        return call3(runtime, site, called, one, two, d(frame));
      };
    }
  }
  const list = c.list(args);
  return (frame) => {
    const called = callee(frame);
    return runtime.callFrom(site, called, list(frame));
  };
}

export function compileMethodCall(c: Compilation, node: MethodCall, tail: boolean): EvaluateAll {
  const { runtime } = c;
  const object = c.value(node.object);
  const site: Site = { line: node.line, method: node.name, tail };
  const lookup: Site = { line: node.nameLine };
  const { name } = node;
  const hash = hashString(name);
  const method = (self: LuaValue): LuaValue => {
    if (self instanceof LuaTable) {
      const value = self.getField(name, hash);
      if (value !== undefined) return value;
    }
    return index(runtime, self, name, lookup, node.object);
  };
  const [a] = node.args;
  if (a === undefined) {
    return (frame) => {
      const self = object(frame);
      return call1(runtime, site, method(self), self);
    };
  }
  if (node.args.length === 1 && !isMultiple(a)) {
    const arg = c.value(a);
    return (frame) => {
      const self = object(frame);
      const called = method(self);
      return call2(runtime, site, called, self, arg(frame));
    };
  }
  const list = c.list(node.args);
  return (frame) => {
    const self = object(frame);
    const called = method(self);
    const args = list(frame);
    args.unshift(self);
    return runtime.callFrom(site, called, args);
  };
}

function call0(runtime: Runtime, site: Site, called: LuaValue): Results {
  runtime.sites[runtime.depth] = site;
  if (called instanceof Closure) {
    if (called.prototype.simple) return runtime.execute(emptyFrame(called));
  } else if (called instanceof Native) {
    return runtime.runNative(called, []);
  }
  return runtime.callFrom(site, called, []);
}

function call1(runtime: Runtime, site: Site, called: LuaValue, a: LuaValue): Results {
  runtime.sites[runtime.depth] = site;
  if (called instanceof Closure) {
    const { simple, parameters } = called.prototype;
    if (simple) {
      const frame = emptyFrame(called);
      if (parameters > 0) frame[FIRST_SLOT] = a;
      return runtime.execute(frame);
    }
  } else if (called instanceof Native) {
    return runtime.runNative(called, [a]);
  }
  return runtime.callFrom(site, called, [a]);
}

function call2(runtime: Runtime, site: Site, called: LuaValue, a: LuaValue, b: LuaValue): Results {
  runtime.sites[runtime.depth] = site;
  if (called instanceof Closure) {
    const { simple, parameters } = called.prototype;
    if (simple) {
      const frame = emptyFrame(called);
      if (parameters > 0) frame[FIRST_SLOT] = a;
      if (parameters > 1) frame[FIRST_SLOT + 1] = b;
      return runtime.execute(frame);
    }
  } else if (called instanceof Native) {
    return runtime.runNative(called, [a, b]);
  }
  return runtime.callFrom(site, called, [a, b]);
}

function call3(
  runtime: Runtime,
  site: Site,
  called: LuaValue,
  a: LuaValue,
  b: LuaValue,
  d: LuaValue,
): Results {
  runtime.sites[runtime.depth] = site;
  if (called instanceof Closure) {
    const { simple, parameters } = called.prototype;
    if (simple) {
      const frame = emptyFrame(called);
      if (parameters > 0) frame[FIRST_SLOT] = a;
      if (parameters > 1) frame[FIRST_SLOT + 1] = b;
      if (parameters > 2) frame[FIRST_SLOT + 2] = d;
      return runtime.execute(frame);
    }
  } else if (called instanceof Native) {
    return runtime.runNative(called, [a, b, d]);
  }
  return runtime.callFrom(site, called, [a, b, d]);
}

function emptyFrame(closure: Closure): Frame {
  const frame = closure.prototype.blank.slice();
  frame[0] = closure;
  return frame;
}
