// The differential run. Each payload goes through the proxy into a recorder, with two settings; what the proxy sent on
// goes, byte for byte, to every peer; and the payload goes through the proxy into every peer. Whoever sees other
// requests than the proxy did has found a way to smuggle one.

import { createHash } from 'node:crypto';
import { type Conversation, converse } from './conversation.ts';
import { echoOf, SENTINEL, SENTINEL_ECHO } from './echo.ts';
import { isSame, judge, type Verdict } from './judge.ts';
import type { Payload } from './payloads.ts';
import { type Peer, peerNames, startPeer } from './peers.ts';
import { type Recorded, type Recorder, startRecorder } from './recorder.ts';
import {
  type GardenSidecar,
  type Lane,
  type LoggedStream,
  type Profile,
  startGardenSidecar,
} from './sidecar.ts';
import { parseStream } from './strict-parser.ts';

const profiles: readonly Profile[] = ['default', 'open'];
const sentinel = Buffer.from(SENTINEL, 'latin1');
/** Longer than any of the proxy's timeouts. */
const CLIENT_TIMEOUT_MS = 8000;
/** After these a peer that has not answered the sentinel waits for more. The second is for one that stalled. */
const PEER_TIMEOUT_MS = 2500;
const PATIENT_TIMEOUT_MS = 15_000;
const REPLAYS_AT_ONCE = 4;
/** More payloads without an answer mean that the proxy is broken altogether; to play on would take hours. */
const MAX_UNANSWERED = 10;

export interface GardenOptions {
  /** Payloads at once, per profile. */
  readonly lanes: number;
  /** How long the proxy waits for the rest of a request. */
  readonly requestTimeoutMs: number;
}

/** What the proxy did with a payload. */
export interface Handling {
  readonly conversation: Conversation;
  readonly recorded: readonly Recorded[];
}

export interface PayloadResult {
  readonly payload: Payload;
  readonly handling: Record<Profile, Handling>;
  /** By peer: what it made of the recorded output, the worse of both profiles. */
  readonly replayed: Map<string, Verdict>;
  /** Whatever contradicts the rule that nobody sees other boundaries; empty = it holds. */
  readonly problems: Problem[];
}

export interface Problem {
  /** Null: it is in the proxy's own output or log. */
  readonly peer: string | null;
  readonly text: string;
}

export class Garden {
  readonly peers: readonly Peer[];
  readonly missing: readonly string[];
  readonly #sidecar: GardenSidecar;
  readonly #recorders: ReadonlyMap<string, Recorder>;
  readonly #lanes: readonly Lane[];
  /** By lane and client port, in the order of the conversations: to be compared with the access log. */
  readonly #sent = new Map<string, { name: string; echoes: readonly string[] }[]>();
  /** Outputs that the peers have judged already, by digest. */
  readonly #replayed = new Map<string, Map<string, Verdict>>();
  readonly #played = new Set<string>();
  #unanswered = 0;

  private constructor(
    peers: readonly Peer[],
    sidecar: GardenSidecar,
    recorders: ReadonlyMap<string, Recorder>,
    lanes: readonly Lane[],
  ) {
    this.peers = peers;
    this.missing = peerNames.filter((name) => !peers.some((peer) => peer.name === name));
    this.#sidecar = sidecar;
    this.#recorders = recorders;
    this.#lanes = lanes;
  }

  static async open(options: GardenOptions): Promise<Garden> {
    const started = await Promise.all(peerNames.map(startPeer));
    const peers = started.filter((peer) => peer !== null);
    const recorders = new Map<string, Recorder>();
    const lanes: Lane[] = [];
    for (const profile of profiles) {
      for (let i = 0; i < options.lanes; i++) {
        const name = `${profile}-${i}`;
        const recorder = await startRecorder();
        recorders.set(name, recorder);
        lanes.push({ name, profile, upstreamPort: recorder.port });
      }
    }
    const all = [
      ...lanes,
      ...peers.map(({ name, port }): Lane => ({ name, profile: 'open', upstreamPort: port })),
    ];
    try {
      const start = () => startGardenSidecar(all, options.requestTimeoutMs);
      // Once more: somebody may have taken one of the many free ports meanwhile.
      const sidecar = await start().catch(start);
      return new Garden(peers, sidecar, recorders, lanes);
    } catch (thrown) {
      // Whatever runs would keep this process alive.
      await Promise.all([...peers, ...recorders.values()].map((part) => end(part)));
      throw thrown;
    }
  }

  /** Plays all payloads; the results are in their order. */
  async play(payloads: readonly Payload[]): Promise<PayloadResult[]> {
    const handled = await Promise.all(profiles.map((profile) => this.#forward(profile, payloads)));
    const results = payloads.map((payload, i): PayloadResult => {
      const [byDefault, open] = [handled[0]?.[i], handled[1]?.[i]];
      if (byDefault === undefined || open === undefined)
        throw new Error('a payload was not played');
      const handling = { default: byDefault, open };
      return { payload, handling, replayed: new Map(), problems: [] };
    });
    for (const result of results) this.#checkOutput(result);
    await Promise.all(this.peers.map((peer) => this.#replay(peer, results)));
    const fresh = results.filter((result) => this.#isFresh(result));
    await Promise.all(this.peers.map((peer) => this.#playLive(peer, fresh)));
    return results;
  }

  /** Ends everything; the problems that the access log shows. */
  async close(): Promise<string[]> {
    const wasAlive = this.#sidecar.isAlive();
    const problems = this.#compareLog(await this.#sidecar.stop());
    if (!wasAlive) problems.push('the proxy ended by itself');
    await Promise.all(this.peers.map((peer) => peer.stop()));
    await Promise.all([...this.#recorders.values()].map((recorder) => recorder.close()));
    return problems;
  }

  // -- through the proxy into the recorder --------------------------------------------------------

  async #forward(profile: Profile, payloads: readonly Payload[]): Promise<Handling[]> {
    const handled: Handling[] = [];
    let next = 0;
    const work = async (lane: Lane) => {
      const recorder = this.#recorders.get(lane.name);
      if (recorder === undefined) throw new Error(`no recorder of ${lane.name}`);
      for (let i = next++; i < payloads.length; i = next++) {
        const bytes = Buffer.concat([payloads[i]?.bytes ?? sentinel, sentinel]);
        const port = this.#sidecar.ports.get(lane.name) ?? 0;
        const conversation = await converse(port, bytes, false, CLIENT_TIMEOUT_MS);
        // Every payload ends in an answer, if only to the sentinel.
        if (conversation.answers.length === 0 && ++this.#unanswered > MAX_UNANSWERED) {
          throw new Error(`the proxy answers nothing; the last was: ${payloads[i]?.name}`);
        }
        const recorded = await recorder.take();
        handled[i] = { conversation, recorded };
        const key = `${lane.name} ${conversation.localPort}`;
        const list = this.#sent.get(key) ?? [];
        this.#sent.set(key, list);
        const echoes = recorded.flatMap((stream) => stream.echoes);
        list.push({ name: payloads[i]?.name ?? '', echoes });
      }
    };
    await Promise.all(this.#lanes.filter((lane) => lane.profile === profile).map(work));
    return handled;
  }

  #checkOutput(result: PayloadResult): void {
    for (const profile of profiles) {
      const { conversation, recorded } = result.handling[profile];
      for (const { rest, reason } of recorded) {
        if (rest === 'malformed' || reason !== '') {
          result.problems.push(ours(`${profile}: the proxy's output: ${reason}`));
        }
      }
      if (conversation.answers.length === 0) {
        result.problems.push(ours(`${profile}: the proxy closed without an answer`));
      }
      if (!conversation.closed) result.problems.push(ours(`${profile}: the proxy never closed`));
      const answered = conversation.answers.flatMap(({ echo }) => (echo === null ? [] : [echo]));
      const seen = recorded.flatMap(({ echoes }) => echoes);
      // A response that the client did not get any more belongs to a request that came before an error.
      if (answered.some((echo, i) => echo !== seen[i])) {
        const text = `${profile}: the client got [${answered}], the upstream saw [${seen}]`;
        result.problems.push(ours(text));
      }
    }
  }

  // -- the recorded output into the peers ---------------------------------------------------------

  async #replay(peer: Peer, results: readonly PayloadResult[]): Promise<void> {
    const jobs = results.flatMap((result) =>
      profiles.flatMap((profile) =>
        result.handling[profile].recorded.map((recorded) => ({ result, recorded })),
      ),
    );
    let next = 0;
    const work = async () => {
      for (let i = next++; i < jobs.length; i = next++) {
        const job = jobs[i];
        if (job === undefined) continue;
        const { result, recorded } = job;
        const verdict = await this.#verdictOf(peer, recorded);
        if (verdict.kind === 'different') {
          result.problems.push({ peer: peer.name, text: `given our output: ${verdict.reason}` });
        }
        const before = result.replayed.get(peer.name);
        if (before === undefined || rank(verdict) > rank(before)) {
          result.replayed.set(peer.name, verdict);
        }
      }
    };
    await Promise.all(Array.from({ length: REPLAYS_AT_ONCE }, work));
  }

  async #verdictOf(peer: Peer, recorded: Recorded): Promise<Verdict> {
    const key = digest([recorded]);
    let verdicts = this.#replayed.get(key);
    if (verdicts === undefined) {
      verdicts = new Map();
      this.#replayed.set(key, verdicts);
    }
    const known = verdicts.get(peer.name);
    if (known !== undefined) return known;
    const verdict = await askPeer(peer.port, recorded.bytes, recorded.echoes, recorded.rest);
    verdicts.set(peer.name, verdict);
    return verdict;
  }

  // -- through the proxy into the peers -----------------------------------------------------------

  /** The same output for another payload would only repeat what the peers did. */
  #isFresh({ handling }: PayloadResult): boolean {
    const { recorded } = handling.open;
    if (recorded.length === 0) return false;
    const key = digest(recorded);
    if (this.#played.has(key)) return false;
    this.#played.add(key);
    return true;
  }

  async #playLive(peer: Peer, results: readonly PayloadResult[]): Promise<void> {
    const port = this.#sidecar.ports.get(peer.name) ?? 0;
    peer.backend.take();
    let number = 0;
    // Kept over the payloads: the peer may take its time with those.
    const cutShort = new Set<string>();
    for (const { payload, handling, problems } of results) {
      const problem = (text: string) =>
        problems.push({ peer: peer.name, text: `behind us: ${text}` });
      const bytes = Buffer.concat([payload.bytes, sentinel]);
      const { answers } = await converse(port, bytes, false, CLIENT_TIMEOUT_MS);
      const goodEchoes: string[] = [];
      let got: unknown[] = [];
      // Twice, because a peer may close a connection at the moment that the proxy takes it from the pool.
      for (let attempt = 0; attempt < 2; attempt++) {
        // Another client's request must get its own answer, on whatever connection the proxy kept.
        const target = `/~good-${number++}`;
        const good = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
        const next = await converse(port, Buffer.from(good), false, CLIENT_TIMEOUT_MS);
        goodEchoes.push(echoOf('GET', target, Buffer.alloc(0)));
        got = next.answers.map(({ status, echo }) => echo ?? status);
        if (got.length !== 1 || got[0] !== 503) break;
      }
      if (got.length !== 1 || got[0] !== goodEchoes.at(-1)) {
        problem(`the next client's answer was [${got}]`);
      }
      const expected = handling.open.recorded.flatMap(({ echoes }) => echoes);
      const foreign = strangers(
        answers.flatMap(({ echo }) => echo ?? []),
        expected,
      );
      if (foreign !== null) problem(`answered ${foreign}`);
      for (const { bytes, rest } of handling.open.recorded) {
        if (rest === 'incomplete' && peer.name === 'varnish') cutShort.add(startOf(bytes));
      }
      const seen = peer.backend.take().filter((echo) => !cutShort.has(requestOf(echo)));
      const extra = strangers(seen, [...expected, ...goodEchoes]);
      if (extra !== null) problem(`it saw ${extra}`);
    }
  }

  // -- the access log -----------------------------------------------------------------------------

  /** The requests that the proxy says were answered by the upstream, against those that the recorder got. */
  #compareLog(streams: readonly LoggedStream[]): string[] {
    const problems: string[] = [];
    const answered = new Map<string, LoggedStream[]>();
    for (const stream of streams) {
      if (!stream.isFromUpstream) continue;
      const key = `${stream.lane} ${stream.clientPort}`;
      const list = answered.get(key) ?? [];
      answered.set(key, list);
      list.push(stream);
    }
    for (const [key, conversations] of this.#sent) {
      const logged = answered.get(key) ?? [];
      for (const { name, echoes } of conversations) {
        for (const echo of echoes) {
          const entry = logged.shift();
          const [method, target, length] = echo.split(' ');
          if (
            entry?.method !== method ||
            entry?.path !== target ||
            entry?.bodyBytes !== Number(length)
          ) {
            problems.push(
              `${name}: the upstream saw '${echo}', the log says ${JSON.stringify(entry)}`,
            );
          }
        }
      }
      if (logged.length > 0) {
        problems.push(`${key}: the log has ${logged.length} requests that no upstream saw`);
      }
    }
    return problems;
  }
}

/** Asks twice before it believes that a server differs: one that is slow today is not. */
export async function askPeer(
  port: number,
  bytes: Buffer,
  echoes: readonly string[],
  rest: Recorded['rest'],
): Promise<Verdict> {
  const isWhole = rest === 'nothing';
  const sent = isWhole ? Buffer.concat([bytes, sentinel]) : bytes;
  const verdict = judge(echoes, isWhole, await converse(port, sent, !isWhole, PEER_TIMEOUT_MS));
  if (verdict.kind !== 'different') return verdict;
  return judge(echoes, isWhole, await converse(port, sent, !isWhole, PATIENT_TIMEOUT_MS));
}

/** Of the bytes, to know an output again. */
function digest(recorded: readonly Recorded[]): string {
  const hash = createHash('sha1');
  for (const { bytes, rest } of recorded) hash.update(`${bytes.length} ${rest} `).update(bytes);
  return hash.digest('base64');
}

/**
 * Method and target of the request that a stream stops in. Varnish passes a chunked one on to its back end as if it
 * were whole; that is about the end of a connection, no boundary between two requests moves.
 */
function startOf(bytes: Buffer): string {
  const { end } = parseStream(bytes);
  const [method = '', target = ''] = bytes.toString('latin1', end).split(' ', 2);
  return `${method} ${target}`;
}

function requestOf(echo: string): string {
  return echo.split(' ', 2).join(' ');
}

function end(part: Peer | Recorder): Promise<void> {
  return 'stop' in part ? part.stop() : part.close();
}

function ours(text: string): Problem {
  return { peer: null, text };
}

function rank({ kind }: Verdict): number {
  return kind === 'same' ? 0 : kind === 'refused' ? 1 : 2;
}

/** The first of `seen` that is not in `expected` in this order; a few may be missing. Null = none. */
function strangers(seen: readonly string[], expected: readonly string[]): string | null {
  let at = 0;
  for (const echo of seen) {
    while (at < expected.length && !isSame(echo, expected[at] ?? '')) at++;
    if (at++ >= expected.length) return `'${echo}'`;
  }
  return null;
}

/** For tables: requests without those of the garden itself. */
export function ownEchoes({ recorded }: Handling): string[] {
  return recorded.flatMap(({ echoes }) => echoes).filter((echo) => echo !== SENTINEL_ECHO);
}
