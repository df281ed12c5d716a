/**
 * AgreementMetrics: what is to be known of whatever regions have to agree on: strong keys, keyspaces, leases, rights of bounded counters.
 *
 * Invariant: as of all metrics: `metrics.ts`.
 */
import { byLabel, histogram, type MetricDefinition, one, seconds } from "./metric.ts";

export const AGREEMENT_METRICS: readonly MetricDefinition[] = [
  one(
    "atoll_strong_commands_total",
    "counter",
    "1",
    "Commands of clients on strong keys.",
    ({ strong }) => strong.commands,
  ),
  {
    name: "atoll_strong_seconds",
    type: "histogram",
    unit: "seconds",
    labels: [],
    help: "How long they took until they were answered, whatever came of them.",
    read: ({ status }) => histogram(status.strong.seconds),
  },
  {
    name: "atoll_strong_failures_total",
    type: "counter",
    unit: "1",
    labels: ["outcome"],
    help: "Commands that no majority of regions answered in time: one that may have been done (unknown), or was not (refused).",
    read: ({ status: { strong } }) =>
      byLabel("outcome", { unknown: strong.unknown, refused: strong.refused }),
  },
  one(
    "atoll_strong_rounds_total",
    "counter",
    "1",
    "Questions put to all members, those about keyspaces and leases too; what is decided takes one or two.",
    ({ strong }) => strong.rounds,
  ),
  one(
    "atoll_strong_decided_total",
    "counter",
    "1",
    "Rounds that ended with something decided.",
    ({ strong }) => strong.decided,
  ),
  one(
    "atoll_strong_conflicts_total",
    "counter",
    "1",
    "Answers that said that another member was ahead: keys that several regions want at once.",
    ({ strong }) => strong.conflicts,
  ),
  one(
    "atoll_strong_found_total",
    "counter",
    "1",
    "Attempts made again that were found to have been done.",
    ({ strong }) => strong.found,
  ),
  one(
    "atoll_strong_forgotten_total",
    "counter",
    "1",
    "Deleted strong keys of which nothing is kept any more.",
    ({ strong }) => strong.forgotten,
  ),
  one(
    "atoll_register_epoch",
    "gauge",
    "1",
    "Epoch of the keyspaces in force here; 0 for those of the node's own file.",
    ({ register }) => register.epoch,
  ),
  one(
    "atoll_register_frozen",
    "gauge",
    "1",
    "Prefixes that nobody may write because it changes who does.",
    ({ register }) => register.frozen,
  ),
  {
    name: "atoll_register_changes_total",
    type: "counter",
    unit: "1",
    labels: ["outcome"],
    help: "Changes of keyspaces that this node has had agreed on, and those of others that it gave up.",
    read: ({ status: { register } }) =>
      byLabel("outcome", { agreed: register.changes, given_up: register.givenUp }),
  },
  one(
    "atoll_lease_left_seconds",
    "gauge",
    "seconds",
    "For how long this node may do what an owner does without hearing from most regions; absent where no keyspace has failover: auto.",
    ({ lease }) => seconds(lease.leftMs),
  ),
  one(
    "atoll_lease_taken_over_total",
    "counter",
    "1",
    "Homes that this node has taken over from an owner that was away.",
    ({ lease }) => lease.taken,
  ),
  one(
    "atoll_lease_late_replies_total",
    "counter",
    "1",
    "Replies not given (AAUNKNOWN) because the lease was over meanwhile.",
    ({ lease }) => lease.late,
  ),
  {
    name: "atoll_bounded_used_total",
    type: "counter",
    unit: "1",
    labels: ["after"],
    help: "Amounts taken from bounded counters: without asking (nothing), after asking within the region, or another one (wan).",
    read: ({ status: { bounded } }) =>
      byLabel("after", {
        nothing: bounded.used_at_once,
        region: bounded.used_after_region,
        wan: bounded.used_after_wan,
      }),
  },
  one(
    "atoll_bounded_asked_total",
    "counter",
    "1",
    "Times rights were asked of another node.",
    ({ bounded }) => bounded.asked,
  ),
  {
    name: "atoll_bounded_rights_total",
    type: "counter",
    unit: "1",
    labels: ["why"],
    help: "Rights handed to other nodes: those who asked (asked), and those who use more (demand).",
    read: ({ status: { bounded } }) =>
      byLabel("why", { asked: bounded.given, demand: bounded.moved }),
  },
  {
    name: "atoll_bounded_refused_total",
    type: "counter",
    unit: "1",
    labels: ["why"],
    help: "Commands refused: there is not so much anywhere (bound), or others hold the rights and did not give them in time (rights).",
    read: ({ status: { bounded } }) =>
      byLabel("why", { bound: bounded.bound_reached, rights: bounded.no_rights }),
  },
];
