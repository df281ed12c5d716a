/**
 * GatewayProcess: a gateway with one region behind it, `redis://…` or `http://…`, as a process of its own, for measurements. Its port is its
 * first line.
 */
import { startLoneGateway } from "../src/start-gateway.ts";
import { trafficSettings } from "../src/host/traffic-config.ts";

const [target = ""] = process.argv.slice(2);
const isHttp = target.startsWith("http:");
const config = trafficSettings.parse({
  regions: [{ name: "here", [isHttp ? "http" : "redis"]: target }],
  gateway: { host: "127.0.0.1", port: 0, ...(isHttp ? { http: { port: 0 } } : {}) },
});
await using gateway = await startLoneGateway(config, "here", "/dev/null");
process.stdout.write(`${gateway.port ?? gateway.httpPort}\n`);
await new Promise((resolve) => process.once("SIGTERM", resolve));
