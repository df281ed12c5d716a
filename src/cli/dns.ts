/**
 * `atoll dns`: the keys of signed zones.
 *
 *     atoll dns keygen app.key                     makes a key, for `traffic.dns.keys`
 *     atoll dns ds app.key app.example.com         what the parent zone is told, in the notation of zone files
 *
 * Invariant: what is printed can be pasted into a zone file; the secret part of a key is never printed.
 */
import { Command } from "commander";
import { readZoneKey, writeZoneKey } from "../adapters/zone-keys/zone-key.ts";
import { TYPE, typeName } from "../core/routing/dns/constants.ts";
import { delegationData, keyData } from "../core/routing/dns/dnssec.ts";
import { nameText, parseName } from "../core/routing/dns/name.ts";
import { dataText } from "../core/routing/dns/record-data.ts";
import { CliError, EXIT_FAILED, usage } from "./cli-error.ts";

export function dnsCommand(): Command {
  const dns = new Command("dns").description("keys that sign the zone of the DNS server");
  dns.addCommand(
    new Command("keygen")
      .description("make a key, in a file that only you may read")
      .argument("<file>")
      .action((file: string) => attempt(() => writeZoneKey(file))),
  );
  dns.addCommand(
    new Command("ds")
      .description("what the parent zone must hold for a key (DS), and the key itself (DNSKEY)")
      .argument("<file>", "the key")
      .argument("<zone>", "such as app.example.com")
      .action((file: string, zone: string) => {
        const origin = parseName(zone.endsWith(".") ? zone : `${zone}.`);
        if (origin === null) throw usage(`${zone} is no domain name`);
        const key = attempt(() => readZoneKey(file));
        const records = [
          [TYPE.DS, delegationData(origin, key)],
          [TYPE.DNSKEY, keyData(key)],
        ] as const;
        const lines = records.map(
          ([type, data]) => `${nameText(origin)} IN ${typeName(type)} ${dataText(type, data)}\n`,
        );
        process.stdout.write(lines.join(""));
      }),
  );
  return dns;
}

/** What the files object to is the user's to know. */
function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error), EXIT_FAILED);
  }
}
