/**
 * The commented configuration that `atoll init` writes.
 *
 * Invariant: every line that is not a comment says what would hold without it, so that the file documents the defaults and
 * changes nothing (a test compares the two).
 */
export function exampleConfig(): string {
  return `# The settings of one Atoll node. Every line that is not a comment shows the default.
# Any of them can also come from the environment: resp.maxClients is ATOLL_RESP_MAX_CLIENTS.
# Sizes may be written as 16MiB, durations as 10m.

# Who this node is. Its member name is region/replica, here local/1; it must be unique in the cluster and must not change.
region: local
replica: 1

# Where its data is kept.
dir: ./atoll-data

# local: a write is answered once it is on disk. relaxed: synced every second, like appendfsync everysec.
durability: local

# Redis clients.
resp:
  host: 127.0.0.1
  port: 6379
  maxClients: 10000

# The password clients give with AUTH; "" asks for none. Without one, protectedMode serves only clients of this machine.
requirepass: ""

# A file with users and what they may do, in the words of ACL SETUSER, one a line; ACL SAVE writes it. "" for none.
aclFile: ""
protectedMode: true

# The longest value a client may send, and the number of databases SELECT knows.
protoMaxBulkLen: 16MiB
databases: 16

# Status, health and metrics. names: the host names under which it is reached, besides localhost and plain addresses.
http:
  host: 127.0.0.1
  port: 8080
  names: []

# The other replicas. secret: the same long random text on every node; needed as soon as there are peers.
# topology: mesh (every two replicas have a link) or links (only those listed; every replica
# passes on the records of others).
# Of two replicas one needs to list the other.
replication:
  host: 127.0.0.1
  port: 7379
  secret: ""
  topology: mesh
  links: []
#    - to: eu-west/1
#      address: atoll.eu-west.example.com:7379

# The replicas that must have a record before it may be forgotten. By default: this one and those of the links.
# members: [eu-west/1, local/1]

# What the data may take before keys are evicted (policy: allkeys-lru, -lfu, -random, volatile-lru, -lfu, -random, -ttl) or
# writes are refused (noeviction); 0 for no bound. The process itself takes some 100 MiB more. samples: keys compared for each
# eviction.
memory:
  maxBytes: 0
  policy: noeviction
  samples: 5

# How much of the log is kept for peers that are away: at least minRetainMs. When it is longer than maxBytes or reaches back further
# than maxAgeMs, a warning says whom it waits for, and it is cut as far as most members have it. Whoever needs what was cut is
# given a snapshot. What fewer have is never cut.
log:
  minRetainMs: 10m
  maxBytes: 8GiB
  maxAgeMs: 24h

# A node on an empty directory serves nothing before another member has said what there is. It begins alone, as the first of a
# new cluster, when it could reach none for so long.
join:
  waitMs: 10s

# When a new checkpoint is written: after this much log, and after this time.
checkpoint:
  everyBytes: 256MiB
  everyMs: 5m

# How often this node compares all it holds with the other members, and whether it then adopts what most of them hold when a
# few of its keys are wrong (mend: no or few).
verify:
  everyMs: 6h
  mend: few

# How often it reads its log and checkpoints again, to find bytes that went bad.
scrub:
  everyMs: 1d

# How much of what this node's own writes lost against concurrent ones is kept to be shown and brought back.
conflicts:
  maxEntries: 10000
  maxBytes: 16MiB
  maxAgeMs: 7d

# How concurrent SETs of keys with a prefix are resolved: lww (the last wins, the default), fww, siblings, max, min, or a
# module of yours. The longest prefix wins. The same on every node.
keyspaces: []
#  - prefix: "price:"
#    conflict: max
#  - prefix: "cart:"
#    conflict: ./resolve-cart.cjs
# How what is written to keys with a prefix is kept; chosen before there are keys. bitmap: in chunks that merge bit by bit;
# lww-set: the later of an addition and a removal of a set's member wins; lww-strict: the same of writes and removals of strings.
#  - prefix: "seen:"
#    format: bitmap
# What readers of streams see: local, all that is here; stable, only what nothing earlier can follow.
#  - prefix: "events:"
#    xread: stable
# Which regions hear what is published to channels with a prefix: local, the one where it is published; global, all of them,
# at most once.
#  - prefix: "chat:"
#    pubsub: global
# How many replicas reads and writes involve unless a client says otherwise (docs/consistency.md).
#  - prefix: "order:"
#    readLevel: GLOBAL_QUORUM
#    writeLevel: GLOBAL_QUORUM

# Which region each client is sent to (docs/traffic.md). Without regions all of it is off; without a zone there is no DNS server.
traffic:
  zone: ""
  records: ""
  dns:
    host: 127.0.0.1
    port: 8053
    perSecond: 50
    burst: 125
    cookieSecrets: []
# DNS over TLS and over HTTPS.
#    tls: { port: 853, https: 443, cert: cert.pem, key: key.pem }
    keys: []
    transfer: []
    notify: []
    validityMs: 3d
  regions: []
#    - name: us-east
#      addresses: [192.0.2.1, "2001:db8::1"]
#      probes: ["http://10.0.0.1:8080"]
#      country: US
#      continent: NA
#      redis: redis://10.0.0.1:6379
# One Redis port in front of all regions; each must then have its redis.
#  gateway: { host: 0.0.0.0, port: 7000 }
  names: []
#    - name: app
#      policy: nearest
#      regions: [us-east, eu-west]
#      limit: 2
  networks: []
#    - net: 203.0.113.0/24
#      country: DE
# How soon a region is held to be down, and how late it gets its traffic back.
  health:
    intervalMs: 2s
    timeoutMs: 1s
    down: 3
    up: 5
    voteTtlMs: 6s
    vantagesMin: 2
    holdMs: 30s
    holdMsMax: 10m
  return:
    stableMs: 5m
    lagMsMax: 5s
    stepMs: 1m
  removalGapMs: 1m
  servingMin: 1

# Which keyspace events this node tells of the commands that run here, as in Redis: KEA for all of them; "" for none.
notifyKeyspaceEvents: ""

# trace, debug, info, warn, error or fatal.
logLevel: info
`;
}
