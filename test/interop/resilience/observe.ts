// What there is to compare of one proxy after a scenario: picks, answers, tries, access log, ejections, state of hosts,
// stats. Addresses become labels, cluster names lose the scenario's number, what is made up per run becomes `*`.

import { clusterStatus, type HostStatus, readStats } from './admin-view.ts';
import type { ClientAnswer } from './client.ts';
import { type LogLine, parseLogLine } from './log-line.ts';
import type { Scenario } from './scenario.ts';
import type { Scene } from './scene.ts';

export interface Observed {
  /** Tries by host, labels in the order of the scenario. */
  readonly picks: Readonly<Record<string, number>>;
  /** Host of each try, in the order in which they came. */
  readonly sequence: readonly string[];
  readonly requests: readonly RequestView[];
  /** Of outlier detection, by host, without times; or how often each came. */
  readonly events: Readonly<Record<string, unknown>>;
  readonly hosts: Readonly<Record<string, unknown>>;
  readonly stats: Readonly<Record<string, string>>;
  readonly notes: Readonly<Record<string, unknown>>;
}

/** One request from end to end. */
interface RequestView {
  readonly answer: ClientAnswer | 'none';
  readonly tries: readonly { readonly host: string; readonly headers: Record<string, string> }[];
  readonly log: readonly Omit<LogLine, 'request'>[];
}

/** Headers of tries that Envoy sets; the rest is what the client sent. */
const envoyHeaders = /^x-envoy-|^grpc-timeout$/;
/** What remains of the time at a retry (it may be the first that a host sees) depends on how long the tries before took. */
const timeLeft = /expected-rq-timeout-ms|^grpc-timeout$/;

export async function observe(scene: Scene, scenario: Scenario): Promise<Observed> {
  const [status, stats] = await Promise.all([clusterStatus(scene), readStats(scene)]);
  const exact = scenario.picks === 'exact';
  const picks = Object.fromEntries(scene.hosts.map(({ label }) => [label, 0]));
  for (const { host } of scene.tries) picks[host] = (picks[host] ?? 0) + 1;
  const withoutCounters = ({ stats: _stats, ...rest }: HostStatus) => rest;
  const statusView = scenario.hostStatus ?? (exact ? (one: HostStatus) => one : withoutCounters);
  return {
    picks,
    sequence: scene.tries.map(({ host }) => host),
    requests: requestViews(scene, exact),
    events: scenario.countEvents === true ? countedEvents(scene) : eventsByHost(scene),
    hosts: Object.fromEntries(
      Object.entries(status).map(([label, one]) => [label, statusView(one)]),
    ),
    stats: Object.fromEntries(
      Object.entries(stats).filter(
        ([name]) => !(scenario.ignoreStats ?? []).some((pattern) => pattern.test(name)),
      ),
    ),
    notes: scene.notes,
  };
}

function eventsByHost(scene: Scene): Readonly<Record<string, unknown>> {
  const events: Record<string, unknown[]> = {};
  for (const event of scene.outlierEvents()) {
    const { timestamp: _timestamp, secs_since_last_action: _seconds, ...rest } = event;
    const label = scene.withLabels(String(event['upstream_url']));
    events[label] ??= [];
    events[label].push({ ...rest, cluster_name: '*', upstream_url: label });
  }
  return events;
}

function countedEvents(scene: Scene): Readonly<Record<string, unknown>> {
  const counts: Record<string, number> = {};
  for (const { action, type, enforced } of scene.outlierEvents()) {
    const key = [action, type, enforced].join(' ');
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function requestViews(scene: Scene, exact: boolean): readonly RequestView[] {
  const hostOf = (label: string) => (exact ? label : '*');
  const log = scene.accessLog().map((line) => parseLogLine(scene.withLabels(line)));
  return scene.answers.map((answer, number) => ({
    answer: answer ?? 'none',
    tries: scene.tries
      .filter(({ headers }) => headers['x-scenario-request'] === String(number))
      .map(({ host, headers }) => ({
        host: hostOf(host),
        headers: Object.fromEntries(
          Object.entries(headers)
            .filter(([name]) => envoyHeaders.test(name))
            .map(([name, value]) => {
              const isRetry = headers['x-envoy-attempt-count'] !== '1';
              return [name, isRetry && timeLeft.test(name) ? '*' : String(value)];
            })
            .sort(),
        ),
      })),
    log: log
      .filter((line) => line.request === String(number))
      .map(({ request: _request, cluster, host, ...rest }) => ({
        ...rest,
        cluster: cluster.replace(scene.name, 'main'),
        host: host === '-' ? host : hostOf(host),
      })),
  }));
}
