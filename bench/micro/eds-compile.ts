// What an EDS response of 500 and 10,000 hosts costs until it is compiled, when it comes for the first time and when five
// hosts left and five came back: ms of main, median. `node bench/micro/eds-compile.ts`. Results at the end of the file.

import { adsSource } from '../../dataplane/api/config/config-source.ts';
import { loadBootstrap } from '../../dataplane/config/load-bootstrap.ts';
import { createResourceCompiler } from '../../dataplane/config/resource-compiler.ts';
import { encodeMessage } from '../../proto/any.ts';
import { adsBootstrapYaml, configInputs } from '../../test/fakes/config.ts';

const RUNS = 40;
const MOVED = 5;

function assignment(count: number, from: number): Uint8Array {
  const lbEndpoints = [];
  for (let i = 0; i < count; i++) {
    if ((i - from + count) % count < MOVED) continue;
    const address = { address: `10.1.${i >> 8}.${i & 255}`, port_value: 8080 };
    lbEndpoints.push({ endpoint: { address: { socket_address: address } } });
  }
  const encoded = encodeMessage('envoy.config.endpoint.v3.ClusterLoadAssignment', {
    cluster_name: 'service',
    endpoints: [{ locality: {}, lb_endpoints: lbEndpoints }],
  });
  return encoded;
}

const bootstrap = loadBootstrap({ ...configInputs(), yaml: adsBootstrapYaml });
if (!bootstrap.ok) throw new Error(bootstrap.errors.join('\n'));
for (const count of [500, 10_000]) {
  const versions = Array.from({ length: 8 }, (_, i) => assignment(count, i * MOVED));
  for (const isHeld of [false, true]) {
    let compiler = createResourceCompiler(bootstrap.value, configInputs());
    let held: unknown = null;
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      if (!isHeld) compiler = createResourceCompiler(bootstrap.value, configInputs());
      const start = performance.now();
      const outcome = compiler.compile('endpoint', versions[run % versions.length]!, adsSource);
      times.push(performance.now() - start);
      if (!outcome.ok) throw new Error(JSON.stringify(outcome.errors));
      held = outcome.resource.data;
    }
    const median = times.sort((a, b) => a - b)[RUNS / 2]!;
    const text = isHeld ? 'ten changed' : 'all new';
    console.log(`${count} hosts, ${text}: ${median.toFixed(2)} ms${held === null ? '!' : ''}`);
  }
}

// Node 24.21, 2 vCPU, beside other work, Nov 2026: 500 hosts, all new 0.46 ms, ten changed 0.15; 10,000 hosts 3.6 and 2.2.
// Decoded, checked and compiled by descriptors: 8.1 and 154 ms.
