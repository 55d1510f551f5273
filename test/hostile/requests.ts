// Rows of suites A and B: bytes of one hostile request, what the client must get and what the upstream may see.
// One row is one test; the oracle is judgeRow. Called by the h1-* and u-* test files.

import assert from 'node:assert/strict';
import type { ParsedRequest } from '../garden/strict-parser.ts';
import { growth, type HostileScene, isWhole, type LogEntry, type Received } from './harness.ts';

/** Sent whole on a connection of its own; the title begins with the row's ID. */
export type RequestRow = RefusedRow | ServedRow;

export interface RefusedRow {
  readonly kind: 'refused';
  readonly name: string;
  readonly bytes: string;
  /** Statuses of which one must come; the connection is closed behind it unless `keepsOpen`. */
  readonly statuses: readonly number[];
  readonly keepsOpen: boolean;
  /** The reason that the access log must give. */
  readonly details: RegExp;
}

export interface ServedRow {
  readonly kind: 'served';
  readonly name: string;
  readonly bytes: string;
  /** Judges the one request that the upstream got. */
  readonly check: (request: ParsedRequest) => void;
}

/** Counters that say that a request was refused. */
const REJECTIONS =
  /^(http\.ingress\.downstream_(cx_protocol_error|rq_failed_path_normalization|rq_non_relative_path|rq_ws_on_non_ws_route|rq_too_large|rq_4xx|rq_5xx)|http1\..*underscores.*|http\.ingress\.rbac\.denied):?$/;

const SERVED = /^http\.ingress\.downstream_rq_2xx$/;

/** 400 with `Connection: close`, nothing upstream. */
export function refused(
  name: string,
  bytes: string,
  details = /^http1\./,
  statuses: readonly number[] = [400],
): RefusedRow {
  return { kind: 'refused', name, bytes, statuses, keepsOpen: false, details };
}

/** Refused by the connection manager: a well-framed request whose connection may go on. */
export function refusedOpen(
  name: string,
  bytes: string,
  details: RegExp,
  statuses: readonly number[] = [400],
): RefusedRow {
  return { kind: 'refused', name, bytes, statuses, keepsOpen: true, details };
}

export function served(
  name: string,
  bytes: string,
  check: (request: ParsedRequest) => void,
): ServedRow {
  return { kind: 'served', name, bytes, check };
}

/** Values of a header of a request that the upstream got. */
export function valuesOf(request: ParsedRequest, name: string): string[] {
  return request.headers.filter(([key]) => key === name).map(([, value]) => value);
}

/** The requests that the upstream got, without the oracle's good ones. */
export function hostileRequests(scene: HostileScene): ParsedRequest[] {
  return scene.upstream.take().filter(({ target }) => target !== '/good');
}

/** Sends the row and applies the common oracle. */
export async function judgeRow(scene: HostileScene, row: RequestRow): Promise<void> {
  hostileRequests(scene);
  const before = await scene.stats();
  const isEnough =
    row.kind === 'refused' && !row.keepsOpen ? undefined : (text: string) => isWhole(text);
  const [received] = await Promise.all([scene.send(row.bytes, isEnough), scene.good()]);
  const seen = hostileRequests(scene);
  if (row.kind === 'refused') judgeRefused(row, received, seen);
  else judgeServed(row, received, seen);
  const after = await scene.stats();
  const pattern = row.kind === 'refused' ? REJECTIONS : SERVED;
  const least = row.kind === 'refused' ? 1 : 2; // the good request counts among the served
  assert.ok(growth(before, after, pattern) >= least, 'no counter moved');
  const entries = await scene.logLines(1);
  assert.equal(entries.length, 1, `log lines: ${JSON.stringify(entries)}`);
  const [entry] = entries;
  if (entry !== undefined) judgeLog(row, entry);
}

function judgeRefused(row: RefusedRow, received: Received, seen: readonly unknown[]): void {
  const statuses = [...received.text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, code]) => code);
  assert.equal(statuses.length, 1, `not one answer: ${received.text}`);
  assert.ok(row.statuses.includes(Number(statuses[0])), `answer: ${received.text}`);
  assert.deepEqual(seen, [], 'the upstream saw it');
  if (row.keepsOpen) return;
  assert.match(received.text, /\r\nconnection: close\r\n/);
  assert.notEqual(received.end, null, 'the connection is still open');
}

function judgeServed(row: ServedRow, received: Received, seen: readonly ParsedRequest[]): void {
  assert.match(received.text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(received.text.match(/^HTTP\/1\.1 /gm)?.length, 1);
  assert.equal(seen.length, 1, 'requests that the upstream saw');
  const [request] = seen;
  if (request !== undefined) row.check(request);
}

function judgeLog(row: RequestRow, entry: LogEntry): void {
  if (row.kind === 'served') {
    assert.equal(entry.code, 200);
    return;
  }
  assert.ok(row.statuses.includes(entry.code), `logged code ${entry.code}`);
  assert.match(entry.details ?? '', row.details);
}
