// The garden on demand, over many mutations: node test/garden/run.ts [--mutations 100000] [--seed N] [--lanes 12]
// Prints the seed and every disagreement, as a corpus entry; ends with 1 when there was one.

import { parseArgs } from 'node:util';
import { formatEntry } from '../fuzz/corpus.ts';
import { Garden, ownEchoes } from './garden.ts';
import { corpusPayloads, framingVariants, mutatedPayloads } from './payloads.ts';

const PAYLOADS_AT_ONCE = 2000;

const { values } = parseArgs({
  options: {
    mutations: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    lanes: { type: 'string', default: '12' },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const mutations = Number(values.mutations);
const startMs = performance.now();
const garden = await Garden.open({ lanes: Number(values.lanes), requestTimeoutMs: 500 });
console.log(`garden: ${garden.peers.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
if (garden.missing.length > 0) console.log(`garden: not installed: ${garden.missing.join(', ')}`);

let payloads = 0;
let forwarded = 0;
let requests = 0;
let problems = 0;
const verdicts = new Map<string, number>();
for (let from = -1; from < mutations; from += from < 0 ? 1 : PAYLOADS_AT_ONCE) {
  const batch =
    from < 0
      ? [...corpusPayloads(), ...framingVariants()]
      : mutatedPayloads(seed, from, Math.min(PAYLOADS_AT_ONCE, mutations - from));
  for (const result of await garden.play(batch)) {
    payloads++;
    const seen = [...ownEchoes(result.handling.default), ...ownEchoes(result.handling.open)];
    if (seen.length > 0) forwarded++;
    requests += seen.length;
    for (const [peer, { kind }] of result.replayed) {
      verdicts.set(`${peer} ${kind}`, (verdicts.get(`${peer} ${kind}`) ?? 0) + 1);
    }
    for (const { peer, text } of result.problems) {
      problems++;
      console.error(
        `\n${peer ?? 'we'}: ${text}\n${formatEntry(result.payload.name, result.payload.bytes)}`,
      );
    }
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  console.log(`garden: seed ${seed}: ${payloads} payloads, ${problems} problems, ${seconds} s`);
}
for (const text of await garden.close()) {
  problems++;
  console.error(`log: ${text}`);
}
console.log(
  `garden: seed ${seed}: ${payloads} payloads, ${forwarded} with something to send on (${requests} requests), ${problems} disagreements`,
);
for (const [name, count] of [...verdicts].sort()) console.log(`garden: ${name} ${count}`);
process.exit(problems === 0 ? 0 : 1);
