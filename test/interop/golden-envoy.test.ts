// A real Envoy takes everything that our control plane may send: what test/integration/planes-agree.test.ts asks of
// our own sidecar, `--mode validate` asks of Envoy. Routes are put in place of their RDS, so that they are read too.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildGraph } from '../../controlplane/graph/builder.ts';
import { GraphHistory } from '../../controlplane/graph/history.ts';
import { readDocuments } from '../../controlplane/model/documents.ts';
import { resourcesToJson } from '../../controlplane/translate/to-json.ts';
import { Translator } from '../../controlplane/translate/translate.ts';
import { dynamicResources, xdsCluster } from './mixed-mesh.ts';
import { findPeer, skipWithout } from './peers.ts';

const goldenIn = fileURLToPath(new URL('../golden/in/', import.meta.url));
const noCertificate = { certificateChainPem: '', privateKeyPem: '', rootsPem: '' };

/** `listener` with the route configuration where it asks for one by name. */
function withRoutes(listener: unknown, routes: unknown): unknown {
  return JSON.parse(JSON.stringify(listener), function (this: Record<string, unknown>, key, value) {
    if (key !== 'rds') return value;
    this['route_config'] = routes;
    return undefined;
  });
}

describe('what the control plane sends', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-golden-envoy-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const file of readdirSync(goldenIn)) {
    test(`of ${file} is accepted by Envoy`, async () => {
      const { objects } = readDocuments(readFileSync(goldenIn + file, 'utf8'), file);
      const history = new GraphHistory();
      const graph = history.succeed(
        buildGraph(
          objects.map(({ object }) => object),
          [],
        ),
      );
      const translator = new Translator(history);
      translator.begin(graph);
      assert.ok(graph.proxies.size > 0);
      for (const [nodeId, proxy] of graph.proxies) {
        const { cluster, listener, route } = resourcesToJson(
          translator.resourcesOf(proxy, noCertificate),
        );
        const path = join(directory, `${nodeId.replaceAll('/', '.')}.json`);
        const bootstrap = JSON.stringify({
          node: { id: nodeId, cluster: 'golden' },
          ...dynamicResources('GRPC'),
          static_resources: {
            clusters: [xdsCluster(1), ...cluster],
            listeners: listener.map((each) => withRoutes(each, route[0])),
          },
        });
        // A child's standard output is a socket here, which no file can be.
        writeFileSync(path, bootstrap.replaceAll('/dev/stdout', '/dev/null'));
        const args = ['--mode', 'validate', '-c', path, '-l', 'error'];
        const { stdout } = await promisify(execFile)(findPeer('envoy') ?? '', args);
        assert.match(stdout, /OK/, nodeId);
      }
    });
  }
});
