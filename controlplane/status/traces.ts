// Starts traces of nodes and stops them: listens on every xDS port for the node, with what it has accepted as the
// base of the first diffs. Called by the REST API, which streams the lines.

import type { Clock } from '../../common/clock.ts';
import type { StreamTaps } from '../ads/stream-taps.ts';
import type { NodeInspector } from './node-inspector.ts';
import { Trace } from './trace.ts';

/** People who look at once. A trace costs work per event of its node. */
export const MAX_TRACES = 16;

export interface TracesOptions {
  /** One per xDS port. */
  readonly taps: readonly StreamTaps[];
  readonly inspector: NodeInspector;
  readonly clock: Clock;
}

export interface RunningTrace {
  /** The next line of JSON; null = none waits. */
  take(): string | null;
  stop(): void;
}

export class Traces {
  readonly #options: TracesOptions;
  #count = 0;

  constructor(options: TracesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  /** Null when there are too many already. The node need not be there yet. */
  start(nodeId: string, onLine: () => void): RunningTrace | null {
    if (this.#count >= MAX_TRACES) return null;
    this.#count++;
    const { taps, inspector, clock } = this.#options;
    const status = inspector.node(nodeId);
    const accepted = (status?.types ?? []).flatMap(({ ackedSet }) =>
      ackedSet === null ? [] : [...ackedSet.resources.values()],
    );
    const trace = new Trace({ clock, onLine }, accepted);
    const isConnected = status?.isConnected === true;
    trace.begin(isConnected ? `connected, ${status.protocol}` : 'not connected; waiting for it');
    const stops = taps.map((tap) => tap.listen(nodeId, (event) => trace.onEvent(event)));
    let isRunning = true;
    return {
      take: () => trace.take(),
      stop: () => {
        if (!isRunning) return;
        isRunning = false;
        this.#count--;
        for (const stop of stops) stop();
      },
    };
  }
}
