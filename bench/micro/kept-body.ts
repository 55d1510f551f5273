// What it costs to keep a piece of a request's body until the answer, in case an HTTP/2 peer refuses it
// (router/tries.ts, ADR 16): a copy into fresh memory beside a copy into a slab of the pool.
// `node bench/micro/kept-body.ts [seconds per case]`. Results at the end of the file.

import { keepBytes, letGo, ReadSlab, sharedReadSlab } from '../../dataplane/network/read-slab.ts';

const seconds = Number(process.argv[2] ?? 0.6);
const PASSES = 4096;
const SLAB_BYTES = 64 * 1024;

function fresh(data: Buffer): number {
  const kept = keepBytes(data);
  letGo(kept);
  return kept.length;
}

function pooled(data: Buffer): number {
  const slab = ReadSlab.take(SLAB_BYTES);
  data.copy(slab.memory, 0);
  const kept = slab.memory.subarray(0, data.length);
  letGo(kept);
  return kept.length;
}

/** CPU time of the best of many short passes: other load on the machine is not what is measured. */
function measure(name: string, run: () => number): void {
  let sum = 0;
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const before = process.cpuUsage();
    for (let i = 0; i < PASSES; i++) sum += run();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1e3) / PASSES);
  }
  console.log(`${name.padEnd(30)} ${best.toFixed(0).padStart(6)} ns${sum === -1 ? '!' : ''}`);
}

for (const bytes of [100, 1024, 4096, 16_384]) {
  const data = sharedReadSlab.memory.subarray(0, bytes);
  measure(`${bytes} bytes, fresh memory`, () => fresh(data));
  measure(`${bytes} bytes, a slab`, () => pooled(data));
}

// Node 24.21, 2 vCPU, Nov 2026, ns per piece:
//   bytes            100    1024    4096    16384
//   fresh memory      73     179     465     2491
//   a slab            59      71     105      317
// Yet small pieces get fresh memory: a slab is 64 KiB, and streams whose answer is long in coming may be many.
