/** DnsPlaces: where in the world the clients and regions of the benchmark `dns` are, the same for both servers. */

/** 200 networks all over the world. */
export const NETWORKS = Array.from({ length: 200 }, (_, i) => ({
  net: `10.${i}.0.0/16`,
  longitude: ((i * 37) % 360) - 180,
  latitude: ((i * 11) % 120) - 60,
}));

export const REGIONS = [
  { name: "eu", addresses: ["192.0.2.1"], longitude: -6, latitude: 53 },
  { name: "us", addresses: ["198.51.100.1"], longitude: -77, latitude: 39 },
  { name: "ap", addresses: ["203.0.113.1"], longitude: 114, latitude: 22 },
];
