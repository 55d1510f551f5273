// A scenario on one of the two proxies: sends requests, steers the hosts, waits for what the admin interface says.
// Scenario.drive gets one for each proxy and must do the same with both.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningProxy } from '../proxies.ts';
import { clusterStatus, type HostStatus, readStats } from './admin-view.ts';
import {
  type Client,
  type ClientAnswer,
  http1Client,
  http2Client,
  type Outgoing,
} from './client.ts';
import { outlierLog } from './log-line.ts';
import { withNames } from './names.ts';
import type { ScriptedHost, Try } from './scripted-host.ts';
import type { Action, Answer } from './scripts.ts';

export interface SendOptions extends Outgoing {
  /** Default 1. */
  readonly count?: number;
  /** How many at a time; default 1: each is sent when the one before was answered. */
  readonly concurrent?: number;
  /** From an answer to the next request. */
  readonly paceMs?: number;
  readonly over?: 'http1' | 'http2';
}

const DEADLINE_MS = 10_000;
const POLL_MS = 20;

export class Scene {
  /** Of further clusters. */
  readonly #suffixes: readonly string[];
  readonly #client: Client;
  #http2: Client | null = null;
  readonly #port: number;
  readonly name: string;
  readonly proxy: RunningProxy;
  readonly hosts: readonly ScriptedHost[];
  readonly tries: Try[] = [];
  /** By number of request; a hole = not answered yet. */
  readonly answers: (ClientAnswer | undefined)[] = [];
  readonly notes: Record<string, unknown> = {};

  constructor(
    suffixes: readonly string[],
    name: string,
    proxy: RunningProxy,
    port: number,
    hosts: readonly ScriptedHost[],
  ) {
    this.#suffixes = suffixes;
    this.name = name;
    this.proxy = proxy;
    this.hosts = hosts;
    this.#port = port;
    this.#client = http1Client(port);
  }

  /** Resolves with the answers, in the order in which the requests were sent. Not awaited, it goes on beside what follows. */
  async send(options: SendOptions = {}): Promise<readonly ClientAnswer[]> {
    const { count = 1, concurrent = 1, paceMs, over } = options;
    const client = over === 'http2' ? this.#overHttp2() : this.#client;
    const request = {
      ...options,
      headers: JSON.parse(this.text(JSON.stringify(options.headers ?? {}))),
      path: this.text(options.path ?? '/'),
    };
    const first = this.answers.length;
    for (let i = 0; i < count; i++) this.answers.push(undefined);
    let next = first;
    const run = async () => {
      while (next < first + count) {
        const number = next++;
        if (paceMs !== undefined && number !== first) await sleep(paceMs);
        this.answers[number] = await client.send(number, request);
      }
    };
    await Promise.all(Array.from({ length: concurrent }, run));
    return this.answers.slice(first, first + count).filter((one) => one !== undefined);
  }

  /** With names and addresses in the place of `@main@`, `@h0@`, ... */
  text(template: string): string {
    return withNames(template, this.#suffixes, this.name, this.hosts);
  }

  host(label: string): ScriptedHost {
    const host = this.hosts.find((one) => one.label === label);
    if (host === undefined) throw new Error(`no host ${label}`);
    return host;
  }

  /** All hosts answer what hangs. */
  release(answer: Answer): void {
    for (const host of this.hosts) host.release(answer);
  }

  setHealth(label: string, action: Action): void {
    this.host(label).setHealth(action);
  }

  /** By label, as /clusters?format=json says it. */
  status(): Promise<Readonly<Record<string, HostStatus>>> {
    return clusterStatus(this);
  }

  /** Until the hosts are so; throws after 10 s. */
  untilStatus(
    what: string,
    holds: (hosts: Readonly<Record<string, HostStatus>>) => boolean,
  ): Promise<void> {
    return this.until(what, async () => holds(await this.status()));
  }

  /** Until outlier detection has ejected the host, or (false) let it back. */
  untilEjected(label: string, ejected = true): Promise<void> {
    return this.untilStatus(`${label} ${ejected ? '' : 'not '}ejected`, (hosts) => {
      return (hosts[label]?.health['failed_outlier_check'] === true) === ejected;
    });
  }

  /** A stat below `cluster.<main>.`; 0 = there is none. */
  async stat(name: string): Promise<number> {
    return Number((await readStats(this))[`cluster.${name}`] ?? 0);
  }

  /** Until a stat below `cluster.<main>.` is so. */
  untilStat(name: string, holds: (value: number) => boolean): Promise<void> {
    return this.until(name, async () => holds(await this.stat(name)));
  }

  /** Until the hosts have seen so many tries in all. */
  untilTries(count: number): Promise<void> {
    return this.until(`${count} tries`, () => Promise.resolve(this.tries.length >= count));
  }

  /** A value that both proxies must agree about. */
  note(name: string, value: unknown): void {
    this.notes[name] = value;
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!(await holds())) {
      if (performance.now() > deadline)
        throw new Error(`not within ${DEADLINE_MS} ms: ${what} (${this.proxy.kind})`);
      await sleep(POLL_MS);
    }
  }

  /** Lines of the outlier event log that concern this scenario. */
  outlierEvents(): readonly Record<string, unknown>[] {
    const path = join(this.proxy.directory, outlierLog);
    return linesOf(path)
      .map((line) => JSON.parse(line))
      .filter((event) => this.owns(String(event.cluster_name)));
  }

  accessLog(): readonly string[] {
    return linesOf(join(this.proxy.directory, `${this.name}.log`));
  }

  /** Whether a cluster is of this scenario. */
  owns(cluster: string): boolean {
    return cluster === this.name || cluster.startsWith(`${this.name}_`);
  }

  /** Label for `ip:port`, in any text. */
  withLabels(text: string): string {
    let labelled = text;
    for (const { address, port, label } of this.hosts)
      labelled = labelled.replaceAll(`${address}:${port}`, label);
    return labelled;
  }

  close(): void {
    this.#client.close();
    this.#http2?.close();
  }

  #overHttp2(): Client {
    this.#http2 ??= http2Client(this.#port);
    return this.#http2;
  }
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return []; // not written yet
  }
}

/** Only between two looks at something, or as a client's pace. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
