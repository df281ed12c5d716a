import assert from "node:assert/strict";
import { test } from "node:test";
import type { AclFile } from "./run.ts";
import type { Session } from "./session.ts";
import { Standalone } from "./standalone.suite.ts";

const OK = "+OK\r\n";
const WRONGPASS = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const noCommand = (name: string): string =>
  `-NOPERM this user has no permissions to run the '${name}' command\r\n`;
const NO_KEY =
  "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
const NO_CHANNEL =
  "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n";

/** A store in which somebody else is a client as the user `ann`, made by rules. */
function withAnn(...rules: string[]): {
  store: Standalone;
  ann: (...words: string[]) => string;
  session: Session;
} {
  const store = new Standalone();
  const admin = store.session;
  assert.equal(store.raw("acl", "setuser", "ann", "on", ">pass", ...rules), OK);
  const session = store.connect();
  const ann = (...words: string[]): string => {
    store.session = session;
    const reply = store.raw(...words);
    store.session = admin;
    return reply;
  };
  assert.equal(ann("auth", "ann", "pass"), OK);
  return { store, ann, session };
}

const rulesOf = (store: Standalone, name: string): string => {
  const line = store.raw("acl", "list").split("\r\n");
  return line.find((text) => text.startsWith(`user ${name} `))?.slice(6 + name.length) ?? "";
};

test("a new user may do nothing until it is told what", () => {
  const { store, ann } = withAnn();
  assert.equal(ann("get", "k"), noCommand("get"));
  assert.equal(store.raw("acl", "setuser", "ann", "+get"), OK);
  assert.equal(ann("get", "k"), NO_KEY);
  assert.equal(store.raw("acl", "setuser", "ann", "~k*"), OK);
  assert.equal(ann("get", "k1"), "$-1\r\n");
  assert.equal(ann("get", "j"), NO_KEY);
  assert.equal(ann("acl", "whoami"), noCommand("acl|whoami"));
});

test("only the right password of a user that is on opens it", () => {
  const store = new Standalone();
  store.raw("acl", "setuser", "bob", ">one", ">two");
  assert.equal(store.raw("auth", "bob", "one"), WRONGPASS, "it is off");
  store.raw("acl", "setuser", "bob", "on", "+@all");
  assert.equal(store.raw("auth", "bob", "three"), WRONGPASS);
  assert.equal(store.raw("auth", "nobody", "one"), WRONGPASS);
  assert.equal(store.raw("auth", "bob", "two"), OK);
  assert.equal(store.raw("acl", "whoami"), "$3\r\nbob\r\n");
  assert.match(store.raw("client", "info"), / user=bob /);
  store.raw("acl", "setuser", "bob", "<two");
  assert.equal(store.raw("auth", "bob", "two"), WRONGPASS);
  assert.match(store.raw("acl", "setuser", "bob", "<two"), /does not exist/);
  const hash = "3fc9b689459d738f8c88a3a48aa9e33542016b7a4052e001aaa536fca74813cb";
  store.raw("acl", "setuser", "bob", `#${hash}`);
  assert.equal(store.raw("auth", "bob", "something"), OK);
  assert.match(store.raw("acl", "setuser", "bob", "#abc"), /exactly 64 characters/);
  store.raw("acl", "setuser", "bob", "nopass");
  assert.equal(store.raw("hello", "3", "auth", "bob", "anything").slice(0, 2), "%7");
});

test("passwords are shown as their hashes, and no log or monitor shows more", () => {
  const store = new Standalone();
  store.raw("config", "set", "slowlog-log-slower-than", "0");
  store.raw("acl", "setuser", "bob", ">secret");
  assert.match(store.raw("acl", "getuser", "bob"), /2bb80d537b1da3e38bd30361aa855686bde0eacd7162f/);
  const all = ["list", "users", "log"].map((what) => store.raw("acl", what)).join("");
  assert.doesNotMatch(all + store.raw("slowlog", "get", "100"), /secret/);
});

test("requirepass is the password of the default user", () => {
  const store = new Standalone({ requirepass: "first" });
  assert.equal(store.raw("get", "k"), "-NOAUTH Authentication required.\r\n");
  assert.equal(store.raw("auth", "first"), OK);
  store.raw("config", "set", "requirepass", "second");
  store.session = store.connect();
  assert.equal(store.raw("auth", "first"), WRONGPASS);
  assert.equal(store.raw("auth", "default", "second"), OK);
  store.raw("config", "set", "requirepass", "");
  store.session = store.connect();
  assert.equal(store.raw("ping"), "+PONG\r\n");
  store.raw("acl", "setuser", "default", "off");
  store.session = store.connect();
  assert.equal(store.raw("ping"), "-NOAUTH Authentication required.\r\n");
});

test("commands are allowed by name, by category, with some of their subcommands, or with one first argument", () => {
  const { store, ann } = withAnn("~*", "+@string", "-incr", "+client|id", "+select|0");
  assert.equal(ann("set", "k", "1"), OK);
  assert.equal(ann("incr", "k"), noCommand("incr"));
  assert.equal(ann("client", "id"), ":2\r\n");
  assert.equal(ann("client", "list"), noCommand("client|list"));
  assert.equal(ann("select", "0"), OK);
  assert.equal(ann("select", "1"), noCommand("select"));
  assert.equal(ann("sadd", "s", "m"), noCommand("sadd"));
  store.raw("acl", "setuser", "ann", "+@all", "-@dangerous");
  assert.equal(ann("sadd", "s", "m"), ":1\r\n");
  assert.equal(ann("keys", "*"), noCommand("keys"));
});

test("keys may be read alone, written alone, or both, as each command uses them", () => {
  const { ann } = withAnn("+@all", "%R~in:*", "%W~out:*", "~both:*");
  assert.equal(ann("get", "in:1"), "$-1\r\n");
  assert.equal(ann("set", "in:1", "v"), NO_KEY);
  assert.equal(ann("set", "out:1", "v"), OK);
  assert.equal(ann("get", "out:1"), NO_KEY);
  assert.equal(ann("set", "out:1", "v", "get"), NO_KEY);
  assert.equal(ann("copy", "in:1", "out:2"), ":0\r\n");
  assert.equal(ann("copy", "out:2", "in:1"), NO_KEY);
  assert.equal(ann("incr", "both:1"), ":1\r\n");
  assert.equal(ann("mget", "both:1", "in:1", "other"), NO_KEY);
  assert.equal(
    ann("sort", "both:x", "by", "w*"),
    "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n",
  );
});

test("another selector allows what the user's own rules do not, and never half of a command", () => {
  const { store, ann } = withAnn("+get", "~a*", "(+set ~b*)");
  assert.equal(ann("get", "a"), "$-1\r\n");
  assert.equal(ann("set", "b", "v"), OK);
  assert.equal(ann("set", "a", "v"), NO_KEY);
  assert.equal(ann("get", "b"), NO_KEY);
  assert.equal(
    rulesOf(store, "ann").split(" ~a* ")[1],
    "resetchannels -@all +get (~b* resetchannels -@all +set)",
  );
  store.raw("acl", "setuser", "ann", "(+get", "~c*)", "clearselectors");
  assert.equal(ann("set", "b", "v"), noCommand("set"));
  assert.match(
    store.raw("acl", "setuser", "ann", "(+get", "~c*"),
    /Unmatched parenthesis .* '\(\+get'/,
  );
});

test("channels are used only if they match, patterns only letter by letter", () => {
  const { store, ann, session } = withAnn("+@all", "~*", "&news.*");
  assert.equal(ann("publish", "news.1", "m"), ":0\r\n");
  assert.equal(ann("publish", "other", "m"), NO_CHANNEL);
  assert.equal(ann("spublish", "news.1", "m"), ":0\r\n");
  assert.equal(ann("spublish", "other", "m"), NO_CHANNEL);
  assert.match(ann("subscribe", "news.1"), /subscribe/);
  assert.equal(ann("psubscribe", "news.1*"), NO_CHANNEL);
  assert.match(ann("psubscribe", "news.*"), /psubscribe/);
  assert.match(ann("ssubscribe", "news.1"), /ssubscribe/);
  assert.equal(ann("ssubscribe", "news.1", "other"), NO_CHANNEL);
  assert.equal(ann("subscribe", "news.1", "other"), NO_CHANNEL);
  const closed: number[] = [];
  store.run.node.closeClient = (id) => void closed.push(id);
  store.raw("acl", "setuser", "ann", "&other");
  assert.deepEqual(closed, []);
  store.raw("acl", "setuser", "ann", "resetchannels", "&other");
  assert.deepEqual(closed, [session.id]);
});

test("a transaction is refused when a command is, and what is forbidden meanwhile does not run", () => {
  const { store, ann } = withAnn("+@all", "~*");
  assert.equal(ann("multi"), OK);
  assert.match(ann("set", "k", "v"), /QUEUED/);
  store.raw("acl", "setuser", "ann", "-set");
  assert.match(ann("exec"), /^\*1\r\n-NOPERM ACLs rules changed .*no permission to execute/);
  assert.equal(store.raw("exists", "k"), ":0\r\n");
  ann("multi");
  assert.equal(ann("set", "k", "v"), noCommand("set"));
  assert.match(ann("exec"), /^-EXECABORT/);
});

test("what was denied is in the log, and again within a minute it is one entry", () => {
  const { store, ann } = withAnn("+get", "~k");
  ann("get", "j");
  ann("get", "j");
  ann("set", "k", "v");
  store.session.name = "";
  ann("auth", "ann", "wrong");
  const log = store.raw("acl", "log");
  assert.match(log, /^\*3\r\n\*14\r\n\$5\r\ncount\r\n:1\r\n\$6\r\nreason\r\n\$4\r\nauth\r\n/);
  assert.match(
    log,
    /:2\r\n\$6\r\nreason\r\n\$3\r\nkey\r\n.*object\r\n\$1\r\nj\r\n\$8\r\nusername\r\n\$3\r\nann/s,
  );
  store.nowMs += 61_000;
  ann("get", "j");
  assert.match(store.raw("acl", "log"), /^\*4/);
  store.raw("config", "set", "acllog-max-len", "2");
  ann("get", "i");
  assert.match(store.raw("acl", "log"), /^\*2/);
  assert.match(store.raw("acl", "log", "1"), /^\*1/);
  assert.equal(store.raw("acl", "log", "reset"), OK);
  assert.equal(store.raw("acl", "log"), "*0\r\n");
});

test("rules as they are shown make the same user again, whatever the rules were", () => {
  const rules = [
    ["+@all"],
    ["+@all", "-@dangerous", "+keys"],
    ["-@all", "+@read", "-get", "+client|id", "+config|get"],
    ["+@string", "+@hash", "-hset", "~a*", "%R~b*", "%W~c*", "&x", "&y*"],
    ["allcommands", "-client", "+client|setname", "allkeys", "allchannels", "nopass"],
    ["+select|0", "+select|1", "+debug|whatever", "(~x +get)", "(%R~y* -@all +@list)"],
  ];
  for (const words of rules) {
    const store = new Standalone();
    store.raw("acl", "setuser", "a", "on", ">p", ...words);
    const shown = rulesOf(store, "a");
    store.raw("acl", "setuser", "b", ...shown.split(" "));
    assert.equal(rulesOf(store, "b"), shown);
    for (const entry of ["get k", "set a1 v", "client id", "client list", "keys *", "hset h f v"])
      assert.equal(
        store.raw("acl", "dryrun", "a", ...entry.split(" ")),
        store.raw("acl", "dryrun", "b", ...entry.split(" ")),
      );
  }
});

test("of rules that are not all right none is applied", () => {
  const store = new Standalone();
  assert.match(
    store.raw("acl", "setuser", "ann", "on", "+get", "+nosuch"),
    /^-ERR Error in ACL SETUSER modifier '\+nosuch': Unknown command or category name in ACL/,
  );
  assert.equal(store.raw("acl", "getuser", "ann"), "$-1\r\n");
  for (const [rule, why] of [
    ["%x~k", "Syntax error"],
    ["~a b", "Syntax error"],
    ["nonsense", "Syntax error"],
    ["+config|get|x", "Allowing first-arg of a subcommand is not supported"],
    ["-@nope", "Unknown command or category name in ACL"],
  ] as const)
    assert.match(store.raw("acl", "setuser", "ann", rule), new RegExp(`: ${why}`));
  assert.match(store.raw("acl", "setuser", "a b", "on"), /Usernames can't contain spaces/);
  assert.match(store.raw("acl", "setuser", "ann", "~*", "~k"), /after the \* pattern/);
});

test("whoever is removed is cut off, and the default user cannot be", () => {
  const { store, session } = withAnn("+@all");
  const closed: number[] = [];
  store.run.node.closeClient = (id) => void closed.push(id);
  assert.match(
    store.raw("acl", "deluser", "ann", "default"),
    /^-ERR The 'default' user cannot be removed/,
  );
  assert.equal(store.raw("acl", "deluser", "ann", "nobody"), ":1\r\n");
  assert.deepEqual(closed, [session.id]);
  assert.equal(store.raw("acl", "users"), "*1\r\n$7\r\ndefault\r\n");
});

test("users go to a file and come back from it, all of them or none", () => {
  let content = "";
  const aclFile: AclFile = {
    read: () => ({ text: content }),
    write: (text) => {
      content = text;
      return null;
    },
  };
  const store = new Standalone({}, { aclFile });
  store.raw("acl", "setuser", "ann", "on", ">pass", "~k*", "+@read", "(~x +set)");
  const before = store.raw("acl", "list");
  assert.equal(store.raw("acl", "save"), OK);
  store.raw("acl", "deluser", "ann");
  assert.equal(store.raw("acl", "load"), OK);
  assert.equal(store.raw("acl", "list"), before);
  content += "user bob on +nosuch\nusr x\nuser ann off\n";
  assert.match(
    store.raw("acl", "load"),
    /^-ERR line 3.*line 4.*Duplicate user 'ann' found on line 5/,
  );
  assert.equal(store.raw("acl", "list"), before);
  assert.match(
    new Standalone().raw("acl", "save"),
    /^-ERR This .* is not configured to use an ACL file/,
  );
});

test("ACL GENPASS asks for as many bits as it was told", () => {
  const asked: number[] = [];
  const store = new Standalone(
    {},
    {
      secret: (bytes) => {
        asked.push(bytes);
        return Buffer.alloc(bytes, 0xab);
      },
    },
  );
  assert.equal(store.raw("acl", "genpass"), `$64\r\n${"ab".repeat(32)}\r\n`);
  assert.equal(store.raw("acl", "genpass", "5"), "$2\r\nab\r\n");
  assert.equal(store.raw("acl", "genpass", "12"), "$3\r\naba\r\n");
  assert.deepEqual(asked, [32, 1, 2]);
  for (const bits of ["0", "-1", "4097"])
    assert.match(store.raw("acl", "genpass", bits), /^-ERR ACL GENPASS/);
});
