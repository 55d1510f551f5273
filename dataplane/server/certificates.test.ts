import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig } from '../../test/fakes/cluster-config.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import {
  certificateData,
  inlineCertificate,
  upstreamTls,
  validationData,
} from '../../test/fakes/tls.ts';
import type { UpstreamTlsConfig } from '../api/config/tls.ts';
import { CertificateInventory } from './certificates.ts';

const DAY_MS = 86_400_000;
const NONE = 4_294_967_295;
const ca = await TestCa.create();

function using(name: string, tls: Partial<UpstreamTlsConfig>) {
  return { ...clusterConfig(), name, tls: upstreamTls(tls) };
}

test('the first expiry is that of any certificate of a bundle or chain, not of its first', async () => {
  const [late, soon] = [await ca.issue({ validDays: 20 }), await ca.issue({ validDays: 5.5 })];
  const both = `${late.certificatePem}\n${soon.certificatePem}`;
  const inventory = new CertificateInventory();
  inventory.setCluster(
    using('a', { certificates: [inlineCertificate({ ...late, certificatePem: both })] }),
  );
  assert.equal(inventory.daysUntilFirstExpiry(Date.now()), 5);
  inventory.removeCluster('a');
  assert.equal(inventory.daysUntilFirstExpiry(Date.now()), NONE);
  const base = validationData({ trustedCaPem: both });
  inventory.setCluster(using('a', { validation: { base, sdsName: null } }));
  assert.equal(inventory.daysUntilFirstExpiry(Date.now()), 5);
});

test('JS-09 the days follow the wall clock at the time of asking, and never go below 0', async () => {
  const leaf = await ca.issue({ validDays: 10.5 });
  const inventory = new CertificateInventory();
  inventory.setCluster(using('a', { certificates: [inlineCertificate(leaf)] }));
  const now = Date.now();
  assert.equal(inventory.daysUntilFirstExpiry(now), 10);
  assert.equal(inventory.daysUntilFirstExpiry(now - DAY_MS), 11);
  assert.equal(inventory.daysUntilFirstExpiry(now + 90 * DAY_MS), 0);
});

test('a context shows the newest of its secrets; a secret that nobody uses is not shown', async () => {
  const inventory = new CertificateInventory();
  const show = async () => {
    const certificate = certificateData(await ca.issue({ validDays: 3.5 }));
    inventory.setSecret({ kind: 'tls_certificate', name: 'leaf', certificate });
    return certificate.certificateChainPem;
  };
  await show();
  assert.deepEqual(inventory.entries(), []);
  const tls = { certificates: [{ kind: 'sds', name: 'leaf' }] } as const;
  inventory.setCluster(using('a', tls));
  inventory.setCluster(using('b', tls));
  const newest = await show();
  assert.deepEqual(
    inventory.entries().map(({ certificateChains }) => certificateChains),
    [[{ path: '<inline>', pem: newest }], [{ path: '<inline>', pem: newest }]],
  );
  assert.equal(inventory.daysUntilFirstExpiry(Date.now()), 3);
});
