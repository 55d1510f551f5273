// Loaded into every thread of a sidecar (NODE_OPTIONS=--import=...): each worker measures how late its event loop is
// and writes its percentiles to LOOP_DELAY_FILE when the process gets SIGUSR2. Of bench/xds-updates.ts.

import { appendFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

const NS_PER_MS = 1e6;
/** Of the sampling timer; what it measures beyond that is delay. */
const RESOLUTION_MS = 1;
const channel = new BroadcastChannel('loop-delay');
const file = process.env['LOOP_DELAY_FILE'];

if (isMainThread) {
  process.on('SIGUSR2', () => channel.postMessage('tell'));
  channel.unref();
} else if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  channel.onmessage = () => {
    const at = (percent: number): number =>
      Math.max(0, histogram.percentile(percent) / NS_PER_MS - RESOLUTION_MS);
    const line = { thread: threadId, p50: at(50), p99: at(99), p999: at(99.9), max: at(100) };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
    histogram.reset();
  };
  // Not part of what keeps a worker alive.
  channel.unref();
}
