// The control plane of the scale bench, a process of its own: our ADS server with a snapshot for each of many sidecars, which share
// all but the certificate. scale.ts starts it and says what changes.
//
//   stdin, one command a line    endpoint | route | weight | rotate | usage | stop
//   stdout, one JSON object a line    {"event":"listening"|"done"|"usage", ...}

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Snapshot } from '../../controlplane/cache/snapshot.ts';
import { SnapshotCache } from '../../controlplane/cache/snapshot-cache.ts';
import { startAds } from '../../test/fakes/ads-harness.ts';
import { meshContent } from './mesh-content.ts';

const { values: flags } = parseArgs({
  options: {
    sidecars: { type: 'string', default: '100' },
    services: { type: 'string', default: '100' },
    endpoints: { type: 'string', default: '10' },
    port: { type: 'string', default: '0' },
    // Changes that came before this process was there.
    changes: { type: 'string', default: '' },
  },
});
const sidecars = Number(flags.sidecars);
const content = meshContent(Number(flags.services), Number(flags.endpoints));
const cache = new SnapshotCache();
for (const command of flags.changes.split(',')) if (command !== '') content.change(command);
function say(event: string, fields: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

/** Gives every sidecar what the mesh is now. */
function publish(): number {
  const startMs = performance.now();
  const shared = content.shared();
  for (let i = 0; i < sidecars; i++) {
    cache.set(`node-${i}`, new Snapshot([...shared, ['secret', content.secretsOf(i)]]));
  }
  return performance.now() - startMs;
}

const firstMs = publish();
const ads = await startAds(Number(flags.port), cache);
say('listening', { port: ads.port, publishMs: firstMs });

createInterface({ input: process.stdin }).on('line', (command) => {
  if (command === 'stop') process.exit(0);
  if (command === 'usage') {
    const { user, system } = process.cpuUsage();
    say('usage', { cpuMs: (user + system) / 1000, rssMib: process.memoryUsage.rss() / 2 ** 20 });
    return;
  }
  content.change(command);
  say('done', { command, publishMs: publish() });
});
