// The example's control plane of twenty lines, made with our library, drives a real Envoy.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../fakes/until.ts';
import { startExampleControlPlane } from '../integration/example-control-plane.ts';
import { findPeer, skipWithout } from './peers.ts';
import { startProxy } from './proxies.ts';

test('the example’s control plane drives Envoy', { skip: skipWithout('envoy') }, async () => {
  const example = await startExampleControlPlane();
  const binary = findPeer('envoy') ?? assert.fail('checked by skip');
  const envoy = await startProxy('envoy', binary, ({ admin }) => {
    const address = `{address: {socket_address: {address: 127.0.0.1, port_value: ${admin}}}}`;
    return `admin: ${address}\n${example.bootstrap}`;
  });
  try {
    await until('Envoy serves', async () => (await example.get().catch(() => '')) === 'hello');
  } finally {
    await envoy.stop();
    await example.stop();
  }
});
