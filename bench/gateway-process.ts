/** GatewayProcess: a gateway with one region behind it, as a process of its own, for measurements. Its port is its first line. */
import { startLoneGateway } from "../src/start-gateway.ts";
import { trafficSettings } from "../src/host/traffic-config.ts";

const [redis] = process.argv.slice(2);
const config = trafficSettings.parse({
  regions: [{ name: "here", redis }],
  gateway: { host: "127.0.0.1", port: 0 },
});
await using gateway = await startLoneGateway(config, "here", "/dev/null");
process.stdout.write(`${gateway.port}\n`);
await new Promise((resolve) => process.once("SIGTERM", resolve));
