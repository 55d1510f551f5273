// The whole control plane as mesh.ts drives it: as `remora controlplane` runs it, with its state in memory.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { runControlPlane } from '../../controlplane/main.ts';

const { values: flags } = parseArgs({
  options: {
    config: { type: 'string', default: '' },
    'xds-port': { type: 'string', default: '0' },
    'rest-port': { type: 'string', default: '0' },
  },
});
const say = (event: string, fields: object) => {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
};

await runControlPlane({
  config: flags.config,
  stateDir: null,
  xds: { address: '127.0.0.1', port: 0 },
  plaintextXdsPort: Number(flags['xds-port']),
  rest: { address: '127.0.0.1', port: Number(flags['rest-port']) },
  apiToken: null,
  graceMs: 30_000,
  logLevel: 'error',
});
say('listening', {});

createInterface({ input: process.stdin }).on('line', () => {
  const { user, system } = process.cpuUsage();
  say('usage', { cpuMs: (user + system) / 1000, rssMib: process.memoryUsage.rss() / 2 ** 20 });
});
