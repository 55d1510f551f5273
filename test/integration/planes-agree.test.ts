// Our sidecar takes everything that our control plane may send: each resource of the golden inputs goes
// through the data plane's compiler, without an error and without an unknown field.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../common/clock.ts';
import { CertificateAuthority } from '../../controlplane/ca/authority.ts';
import { MemoryState } from '../../controlplane/ca/state-dir.ts';
import { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { buildGraph } from '../../controlplane/graph/builder.ts';
import { GraphHistory } from '../../controlplane/graph/history.ts';
import { readDocuments } from '../../controlplane/model/documents.ts';
import { Translator } from '../../controlplane/translate/translate.ts';
import { adsSource } from '../../dataplane/api/config/config-source.ts';
import { loadBootstrap } from '../../dataplane/config/load-bootstrap.ts';
import { createResourceCompiler } from '../../dataplane/config/resource-compiler.ts';
import { adsBootstrapYaml, configInputs } from '../fakes/config.ts';

const goldenIn = fileURLToPath(new URL('../golden/in/', import.meta.url));

describe('what the control plane sends', async () => {
  const authority = await CertificateAuthority.open(new MemoryState(), systemClock);
  const leaf = await authority.issue('spiffe://a.test/ns/default/sa/a', 3_600_000);
  const certificate = {
    certificateChainPem: leaf.certificatePem,
    privateKeyPem: leaf.privateKeyPem,
    rootsPem: authority.rootsPem,
  };
  const bootstrap = loadBootstrap({ ...configInputs(), yaml: adsBootstrapYaml });
  assert.ok(bootstrap.ok);
  const compiler = createResourceCompiler(bootstrap.value, configInputs());

  for (const file of readdirSync(goldenIn)) {
    it(`of ${file} is accepted by the data plane`, () => {
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
      for (const proxy of graph.proxies.values()) {
        const resources = translator.resourcesOf(proxy, certificate);
        for (const kind of ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const) {
          for (const [name, message] of resources[kind] as ReadonlyMap<string, object>) {
            const outcome = compiler.compile(
              kind,
              SnapshotResource.ofMessage(kind, name, message).bytes,
              adsSource,
            );
            assert.deepEqual(
              outcome.ok ? outcome.resource.warnings : outcome.errors,
              [],
              `${kind} ${name}`,
            );
          }
        }
      }
    });
  }
});
