/** The questions by which servers are found to speak the DNS rightly (RFC 8906 §8), asked by dig of a signed zone. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dig } from "../support/dig.ts";
import { type DnsNode, startDnsNode } from "./dns-node.ts";

let node: DnsNode;
before(async () => void (node = await startDnsNode()));
after(() => node[Symbol.asyncDispose]());

const SOA = /status: NOERROR[^]*ANSWER: 1[^]*IN\s+SOA/;
const SIGNED = /status: NOERROR[^]*ANSWER: 2[^]*IN\s+SOA[^]*RRSIG\s+SOA 13/;
const noAd = /flags: (?!.*\bad\b)/;

const cases: [section: string, words: string[], ...wanted: RegExp[]][] = [
  ["8.1.1", ["+noedns", "+noad", "SOA"], SOA, /flags: qr aa/, noAd],
  ["8.1.2", ["+noedns", "+noad", "TYPE1000"], /status: NOERROR[^]*ANSWER: 0/, /SOA/],
  ["8.1.3.1", ["+noedns", "+cd", "SOA"], SOA],
  ["8.1.3.2", ["+noedns", "+zflag", "SOA"], SOA, /^(?![^]*MBZ: 0x4)/],
  ["8.1.3.3", ["+noedns", "+ad", "SOA"], SOA, noAd],
  ["8.1.3.4", ["+noedns", "+rec", "SOA"], SOA, /flags: qr aa rd;/],
  ["8.1.4", ["+noedns", "+opcode=15", "+header-only"], /status: NOTIMP/],
  ["8.1.5", ["+noedns", "+vc", "SOA"], SOA, /\(TCP\)/],
  ["8.2.1", ["+edns=0", "SOA"], SOA, /EDNS: version: 0/],
  ["8.2.2", ["+edns=100", "+noednsneg", "SOA"], /status: BADVERS/, /EDNS: version: 0/, /ANSWER: 0/],
  ["8.2.3", ["+edns=0", "+ednsopt=100", "SOA"], SOA, /^(?![^]*OPT=100)/],
  ["8.2.4", ["+edns=0", "+ednsflags=0x40", "SOA"], SOA, /flags:; udp/],
  [
    "8.2.5",
    ["+edns=100", "+noednsneg", "+ednsflags=0x40", "SOA"],
    /status: BADVERS/,
    /flags:; udp/,
  ],
  ["8.2.6", ["+edns=100", "+noednsneg", "+ednsopt=100", "SOA"], /status: BADVERS/],
  ["8.2.7", ["+dnssec", "+bufsize=512", "+ignore", "DNSKEY"], /status: NOERROR/, /flags: do; udp/],
  ["8.2.8", ["+dnssec", "SOA"], SIGNED, /flags: do; udp/, noAd],
  ["8.2.8", ["+dnssec", "+cd", "+ad", "SOA"], SIGNED, noAd],
  ["8.2.9", ["+edns=100", "+noednsneg", "+dnssec", "SOA"], /status: BADVERS/],
  ["8.2.10", ["+edns=0", "+cookie=0102030405060708", "+nsid", "+subnet=0", "+expire", "SOA"], SOA],
  ["beyond", ["+dnssec", "+vc", "SOA"], SIGNED, /\(TCP\)/],
  ["beyond", ["+dnssec", "TYPE1000"], /ANSWER: 0, AUTHORITY: 4/, /NSEC[^]*RRSIG\s+NSEC/],
];

test("a signed zone passes the matrix of RFC 8906", async () => {
  for (const [section, words, ...wanted] of cases) {
    const { text } = await dig(node.port, ...words, "zone.test");
    for (const one of wanted) assert.match(text, one, `${section} ${words.join(" ")}`);
  }
});
